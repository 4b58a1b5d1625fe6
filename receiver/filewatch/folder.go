package filewatch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/sluice-etl/sluice/receiver/netserver"
)

// headBytes is how much of a file's beginning it is known by.
const headBytes = 1 << 10

// folder is one watched folder. It belongs to one goroutine, its standing aside.
type folder struct {
	w     *Watcher
	dir   string // absolute
	store *store
	state *state
	seen  standing
	root  *os.Root          // the folder as it was opened for the look under way
	left  map[string]remark // files that are not read, by name
}

func newFolder(w *Watcher, dir string) *folder {
	return &folder{w: w, dir: dir, store: newStore(w.cfg.State, dir), seen: standing{s: Status{Dir: dir}}, left: map[string]remark{}}
}

// show brings the standing up to date.
func (f *folder) show() {
	waiting := 0
	for _, known := range f.state.files {
		if !known.done() && known.Gone == 0 {
			waiting++
		}
	}
	f.seen.change(func(s *Status) { s.Files, s.Waiting = len(f.state.files), waiting })
}

// warn says what is wrong with a file or the folder; the log's lines of one kind are throttled.
func (f *folder) warn(kind, message string, args ...any) {
	f.w.report.Warn(kind+" "+f.dir, message, append([]any{"dir", f.dir}, args...)...)
}

// watch looks at the folder again and again until ctx ends. After an error it waits longer each time: where Kafka takes
// a part of a batch and never the rest, each time makes copies.
func (f *folder) watch(ctx, work context.Context) {
	interval := f.w.cfg.Interval
	pause := backoff.NewExponentialBackOff() // jittered
	pause.InitialInterval, pause.MaxInterval = interval, max(interval, longestPause)
	for {
		wait := interval*4/5 + time.Duration(rand.Int64N(int64(interval)*2/5+1)) //nolint:gosec // G404: spreading needs no secrecy
		err := f.look(ctx, work)
		switch {
		case err == nil:
			pause.Reset()
		case ctx.Err() == nil:
			f.seen.failed(err)
			f.warn("folder", "Reading a watched directory failed; retrying", "err", err)
			wait = pause.NextBackOff()
		}
		if !netserver.Wait(ctx, wait) {
			return
		}
	}
}

// longestPause is how long a folder waits at the most after an error.
const longestPause = 30 * time.Second

// candidate is a file in the folder.
type candidate struct {
	name string
	info fs.FileInfo
}

// list is the files to be looked at, older ones first.
func (f *folder) list() (found []candidate, there map[string]bool, err error) {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, nil, fmt.Errorf("--watch-dir %s: %w", f.dir, err)
	}
	present := make(map[string]bool, len(entries))
	there = make(map[string]bool, len(entries))
	for _, e := range entries {
		n := e.Name()
		if strings.HasPrefix(n, ".") || strings.HasPrefix(n, "_") {
			continue
		}
		present[n] = true
		info, err := f.root.Stat(n) // of what a symbolic link points to
		if escapes(err) {
			f.leave(n, leftLink, nil)
			continue
		}
		if err != nil {
			there[n] = !errors.Is(err, fs.ErrNotExist)
			f.unreadable(n, err)
			continue
		}
		switch {
		case info.Mode().IsRegular():
			there[n] = true
			found = append(found, candidate{n, info})
		case !info.IsDir():
			f.leave(n, leftSpecial, nil)
		}
	}
	f.forget(present)
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(a.info.ModTime().Compare(b.info.ModTime()), strings.Compare(a.name, b.name))
	})
	return found, there, nil
}

func (f *folder) unreadable(file string, err error) {
	f.seen.failed(err)
	f.warn("unreadable", "File cannot be read; retrying it, other files are not affected", "file", file, "err", err)
}

// look goes once over the folder, and reads what is new.
func (f *folder) look(ctx, work context.Context) error {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return fmt.Errorf("--watch-dir: %w", err)
	}
	defer func() { _ = root.Close() }() // it was only read
	f.root = root
	found, there, err := f.list()
	if err != nil {
		return err
	}
	changed := f.state.miss(there, time.Now(), func(lost *file) {
		f.warn("deleted", "File deleted before it was read to its end; the rest is lost", "file", string(lost.Name), "offset", lost.Offset, "size", lost.Size)
	})
	if changed {
		if err := f.store.save(f.state); err != nil {
			return err
		}
	}
	f.show()
	for _, c := range found {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		known := f.state.files[c.name]
		switch {
		case known != nil && known.done() && (c.info.Size() == 0 || known.same(c.info)), known == nil && c.info.Size() == 0:
			continue
		case c.info.Size() == 0:
			if err := f.emptied(known); err != nil {
				return err
			}
			continue
		}
		if f.isLeft(c.name, c.info) {
			continue
		}
		if err := f.open(ctx, work, c.name); err != nil {
			return err
		}
	}
	return nil
}

// emptied gives up what was still to be read of a file that has no bytes any more.
func (f *folder) emptied(known *file) error {
	f.warn("truncated", "File emptied before it was read to its end; the rest is lost", "file", string(known.Name), "offset", known.Offset, "was", known.Size)
	known.end(known.Offset)
	f.show()
	return f.store.save(f.state)
}

// same reports whether the file looks as it did when it was last looked into.
func (f *file) same(i fs.FileInfo) bool {
	modified := i.ModTime().UnixNano()
	return f.Inode == inode(i) && (f.Size == i.Size() && f.Modified == modified || f.notedModified != 0 && f.notedSize == i.Size() && f.notedModified == modified)
}

// open finds out what a file is, and reads what is to be read of it. Its error is Kafka's or the state's; that of the
// file is logged, and others go on.
func (f *folder) open(ctx, work context.Context, n string) error {
	h, err := openIn(f.root, n)
	if escapes(err) {
		f.leave(n, leftLink, nil)
		return nil
	}
	if err != nil {
		f.unreadable(n, err)
		return nil
	}
	defer func() { _ = h.Close() }() // it was only read
	info, err := h.Stat()
	if err == nil && !info.Mode().IsRegular() {
		f.leave(n, leftSpecial, nil)
		return nil
	}
	var kind string
	if err == nil {
		kind, err = packed(h)
	}
	if kind != "" {
		f.leave(n, "it is compressed with "+kind+"; decompress it and move the text file in", info)
		return nil
	}
	var known *file
	if err == nil {
		known, err = f.identify(h, n, info)
	}
	if err != nil {
		f.unreadable(n, err)
		return nil
	}
	f.state.files[n] = known
	f.show()
	defer func() { f.seen.change(func(s *Status) { s.File, s.Offset, s.Size = "", 0, 0 }); f.show() }()
	for !known.done() {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		f.seen.change(func(s *Status) { s.File, s.Offset, s.Size = n, known.Offset, known.Size })
		err := f.batch(ctx, work, h, known)
		if pathErr := new(fs.PathError); errors.As(err, &pathErr) && pathErr.Path == h.Name() {
			f.unreadable(n, err)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// part is the hash of n bytes from an offset on; ok is false where there are fewer.
func part(h io.ReaderAt, at, n int64) (sum string, ok bool, err error) {
	b := make([]byte, n)
	got, err := h.ReadAt(b, at)
	if int64(got) == n {
		s := sha256.Sum256(b)
		return hex.EncodeToString(s[:16]), true, nil
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return "", false, err
}

// identify says whether an open file is the known one of its name, changed or not, or new.
func (f *folder) identify(h io.ReaderAt, n string, info fs.FileInfo) (*file, error) {
	known := f.state.files[n]
	size, modified := info.Size(), info.ModTime().UnixNano()
	if known != nil {
		same, err := known.is(h, info)
		if err != nil {
			return nil, err
		}
		if same {
			switch {
			case size > known.Size:
				f.warn("grown", "File grew after it was first seen; the added part is not read; write files elsewhere and move complete files in", "file", n, "read_to", known.Size, "size", size)
			case size < known.Size:
				f.warn("truncated", "File truncated after it was first seen", "file", n, "offset", known.Offset, "was", known.Size, "size", size)
				known.end(max(size, known.Offset))
			case modified != known.Modified:
				f.warn("touched", "File modification time changed, but size, beginning and end did not; treating it as the same file", "file", n)
			}
			known.Inode, known.notedSize, known.notedModified = inode(info), size, modified
			return known, nil
		}
		f.warn("replaced", "File replaced by another of the same name; reading the new one from its beginning", "file", n, "offset", known.Offset, "was", known.Size, "size", size)
	}
	ends := min(size, headBytes)
	head, ok, err := part(h, 0, ends)
	if err != nil {
		return nil, err
	}
	tail, alsoOK, err := part(h, size-ends, ends)
	if err != nil {
		return nil, err
	}
	if !ok || !alsoOK {
		return nil, errors.New("it was truncated while it was inspected")
	}
	id := sha256.Sum256(fmt.Appendf(nil, "%q %q %d %d %s", f.dir, n, size, modified, head))
	return &file{
		Name: name(n), ID: hex.EncodeToString(id[:12]), Head: head, HeadBytes: ends, Tail: tail, Inode: inode(info),
		Modified: modified, Size: size,
	}, nil
}

// is reports whether an open file of the same name is the same file: its beginning is, and it has the same inode, or size
// and time. One that was written again, to the same size and with the same beginning, is told by its end.
func (f *file) is(h io.ReaderAt, info fs.FileInfo) (bool, error) {
	head, ok, err := part(h, 0, f.HeadBytes)
	if err != nil || !ok || head != f.Head {
		return false, err
	}
	resized, touched := info.Size() != f.Size, info.ModTime().UnixNano() != f.Modified
	if f.Inode != inode(info) && (resized || touched) {
		return false, nil
	}
	if resized || !touched || f.Tail == "" {
		return true, nil
	}
	tail, ok, err := part(h, f.Size-f.HeadBytes, f.HeadBytes)
	return ok && tail == f.Tail, err
}
