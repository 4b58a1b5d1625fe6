package filewatch

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// reasonSkipped is the reason, in metrics, of a file that is skipped because of its type.
const reasonSkipped = "left"

// Why a file is skipped, as the warning says, which is logged once for each file.
const (
	skippedLink    = "a symbolic link that leads out of the directory"
	skippedSpecial = "a FIFO, a socket or a device"
)

// skippedFile is a file that was skipped with a warning, and why.
type skippedFile struct {
	why            string
	inode          uint64
	size, modified int64
}

func newSkippedFile(why string, i fs.FileInfo) skippedFile {
	if i == nil {
		return skippedFile{why: why}
	}
	return skippedFile{why, inode(i), i.Size(), i.ModTime().UnixNano()}
}

// skipFile skips a file, and warns once; info is nil if it was not opened.
func (f *folder) skipFile(file, why string, info fs.FileInfo) {
	r := newSkippedFile(why, info)
	if f.skipped[file] == r {
		return
	}
	f.skipped[file] = r
	f.w.report.Log().Warn("File in a watched directory is not read", "dir", f.dir, "file", file, "why", why)
	f.w.metrics.Rejected(reasonSkipped)
}

// isSkipped reports whether the file was opened and skipped, and has not changed since.
func (f *folder) isSkipped(file string, info fs.FileInfo) bool {
	r, ok := f.skipped[file]
	return ok && r == newSkippedFile(r.why, info)
}

// forget removes the records of files that are no longer in the directory.
func (f *folder) forget(present map[string]bool) {
	for file := range f.skipped {
		if !present[file] {
			delete(f.skipped, file)
		}
	}
}

// escapes reports whether an error of an os.Root means that the path leads out of it. That error has no exported value.
func escapes(err error) bool {
	pathErr, ok := errors.AsType[*fs.PathError](err)
	return ok && strings.Contains(pathErr.Err.Error(), "escapes")
}

// openIn opens a file of the directory. It does not block, even if the file was replaced by a FIFO since the directory
// was listed; the caller checks what was opened. A path that leads out of the directory is an error (see escapes).
func openIn(root *os.Root, file string) (*os.File, error) {
	return root.OpenFile(file, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// compressions are the magic numbers of compressed files. No text begins with one.
var compressions = []struct{ name, magic string }{
	{"gzip", "\x1f\x8b"},
	{"compress", "\x1f\x9d"},
	{"bzip2", "BZh?1AY&SY"},
	{"bzip2", "BZh?\x17\x72\x45\x38\x50\x90"},
	{"xz", "\xfd7zXZ\x00"},
	{"zstd", "\x28\xb5\x2f\xfd"},
	{"lz4", "\x04\x22\x4d\x18"},
	{"7z", "7z\xbc\xaf\x27\x1c"},
	{"zip", "PK\x03\x04"},
	{"zip", "PK\x05\x06"},
	{"zip", "PK\x07\x08"},
	{"snappy", "\xff\x06\x00\x00sNaPpY"},
}

// compression returns what the file is compressed with, by its first bytes, or "" if it is not compressed. Its name does not
// matter.
func compression(h io.ReaderAt) (string, error) {
	var b [10]byte
	n, err := h.ReadAt(b[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	head := b[:n]
	if n > 3 && bytes.HasPrefix(head, []byte("BZh")) {
		b[3] = '?' // the block size
	}
	for _, p := range compressions {
		if bytes.HasPrefix(head, []byte(p.magic)) {
			return p.name, nil
		}
	}
	return "", nil
}
