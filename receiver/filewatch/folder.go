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

	"github.com/sluice-etl/sluice/internal/obs"
	"github.com/sluice-etl/sluice/internal/option"
)

// headBytes is how many bytes of its beginning identify a file.
const headBytes = 1 << 10

// folder is one watched directory. It belongs to one goroutine, except for seen.
type folder struct {
	w       *Watcher
	dir     string // absolute
	store   *store
	state   *state
	seen    dirStatus
	root    *os.Root               // the directory, open while it is scanned
	skipped map[string]skippedFile // files that are skipped, by name
}

func newFolder(w *Watcher, dir string) *folder {
	return &folder{w: w, dir: dir, store: newStore(w.cfg.State, dir), seen: dirStatus{s: Status{Dir: dir}}, skipped: map[string]skippedFile{}}
}

// show updates the status.
func (f *folder) show() {
	waiting := 0
	for _, known := range f.state.files {
		if !known.done() && known.Gone == 0 {
			waiting++
		}
	}
	f.seen.change(func(s *Status) { s.Files, s.Waiting = len(f.state.files), waiting })
}

// warn logs what is wrong with a file or the directory. Lines of one kind are throttled.
func (f *folder) warn(kind, message string, args ...any) {
	f.w.report.Warn(kind+" "+f.dir, message, append([]any{"dir", f.dir}, args...)...)
}

// watch scans the directory repeatedly until ctx is done. After an error it waits longer each time: if Kafka accepts
// some lines of a batch and rejects the others, each retry causes duplicates.
func (f *folder) watch(ctx, work context.Context) {
	interval := f.w.cfg.Interval
	pause := obs.NewBackoff(interval, max(interval, longestPause))
	for {
		wait := interval*4/5 + time.Duration(rand.Int64N(int64(interval)*2/5+1)) //nolint:gosec // G404: spreading needs no secrecy
		err := f.scan(ctx, work)
		switch {
		case err == nil:
			pause.Reset()
		case ctx.Err() == nil:
			f.seen.failed(err)
			f.warn("folder", "Reading a watched directory failed; retrying", "err", err)
			wait = pause.Next()
		}
		if !obs.Wait(ctx, wait) {
			return
		}
	}
}

// longestPause is the longest wait of a directory after an error.
const longestPause = 30 * time.Second

// candidate is a file in the directory.
type candidate struct {
	name string
	info fs.FileInfo
}

// list returns the files that may be read, older ones first, and which names exist.
func (f *folder) list() (found []candidate, there map[string]bool, err error) {
	entries, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", option.Ref(optionDir), f.dir, err)
	}
	present := make(map[string]bool, len(entries))
	there = make(map[string]bool, len(entries))
	for _, e := range entries {
		n := e.Name()
		if strings.HasPrefix(n, ".") || strings.HasPrefix(n, "_") {
			continue
		}
		present[n] = true
		info, err := f.root.Stat(n) // follows symbolic links
		if escapes(err) {
			f.skipFile(n, skippedLink, nil)
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
			f.skipFile(n, skippedSpecial, nil)
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

// scan scans the directory once, and reads what is new.
func (f *folder) scan(ctx, work context.Context) error {
	root, err := os.OpenRoot(f.dir)
	if err != nil {
		return fmt.Errorf("%s: %w", option.Ref(optionDir), err)
	}
	defer func() { _ = root.Close() }() // only read from
	f.root = root
	found, there, err := f.list()
	if err != nil {
		return err
	}
	changed := f.state.updateMissing(there, time.Now(), func(lost *file) {
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
			if err := f.dropTruncated(known); err != nil {
				return err
			}
			continue
		}
		if f.isSkipped(c.name, c.info) {
			continue
		}
		if err := f.open(ctx, work, c.name); err != nil {
			return err
		}
	}
	return nil
}

// dropTruncated abandons the rest of a file that has become empty.
func (f *folder) dropTruncated(known *file) error {
	f.warn("truncated", "File emptied before it was read to its end; the rest is lost", "file", string(known.Name), "offset", known.Offset, "was", known.Size)
	known.end(known.Offset)
	f.show()
	return f.store.save(f.state)
}

// same reports whether the file has the attributes that it had when it was last opened.
func (f *file) same(i fs.FileInfo) bool {
	modified := i.ModTime().UnixNano()
	return f.Inode == inode(i) && (f.Size == i.Size() && f.Modified == modified || f.notedModified != 0 && f.notedSize == i.Size() && f.notedModified == modified)
}

// open identifies a file and reads the rest of it. The error is Kafka's or the state's. An error of the file itself is
// logged, and other files are read.
func (f *folder) open(ctx, work context.Context, n string) error {
	h, err := openIn(f.root, n)
	if escapes(err) {
		f.skipFile(n, skippedLink, nil)
		return nil
	}
	if err != nil {
		f.unreadable(n, err)
		return nil
	}
	defer func() { _ = h.Close() }() // only read from
	info, err := h.Stat()
	if err == nil && !info.Mode().IsRegular() {
		f.skipFile(n, skippedSpecial, nil)
		return nil
	}
	var kind string
	if err == nil {
		kind, err = compression(h)
	}
	if kind != "" {
		f.skipFile(n, "it is compressed with "+kind+"; decompress it and move the text file in", info)
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

// hashAt returns the hash of n bytes at an offset; ok is false if there are fewer.
func hashAt(h io.ReaderAt, at, n int64) (sum string, ok bool, err error) {
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

// identify returns the progress of an open file: that of the known file of its name if it is the same, or else a new
// one.
func (f *folder) identify(h io.ReaderAt, n string, info fs.FileInfo) (*file, error) {
	known := f.state.files[n]
	size, modified := info.Size(), info.ModTime().UnixNano()
	if known != nil {
		same, err := known.isSame(h, info)
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
	head, ok, err := hashAt(h, 0, ends)
	if err != nil {
		return nil, err
	}
	tail, alsoOK, err := hashAt(h, size-ends, ends)
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

// isSame reports whether an open file of the same name is the same file: it has the same beginning, and the same inode
// or the same size and time. A file that was rewritten with the same size and beginning is recognized by its end.
func (f *file) isSame(h io.ReaderAt, info fs.FileInfo) (bool, error) {
	head, ok, err := hashAt(h, 0, f.HeadBytes)
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
	tail, ok, err := hashAt(h, f.Size-f.HeadBytes, f.HeadBytes)
	return ok && tail == f.Tail, err
}
