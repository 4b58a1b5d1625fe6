package filewatch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"
)

// formatVersion is increased when an older version of the program would misread the file.
const formatVersion = 1

// name is a file's name, which may hold any bytes: in JSON it has the escapes of a Go string.
type name string

func (n name) MarshalJSON() ([]byte, error) {
	q := strconv.Quote(string(n))
	return json.Marshal(q[1 : len(q)-1])
}

func (n *name) UnmarshalJSON(b []byte) error {
	var q string
	if err := json.Unmarshal(b, &q); err != nil {
		return err
	}
	s, err := strconv.Unquote(`"` + q + `"`)
	if err != nil {
		return fmt.Errorf("name %q: %w", q, err)
	}
	*n = name(s)
	return nil
}

// file is the progress of one file.
type file struct {
	Name      name   `json:"name"`
	ID        string `json:"id"`         // the first part of sluice.line
	Head      string `json:"head"`       // hash of its first HeadBytes
	HeadBytes int64  `json:"head_bytes"` // at most headBytes
	Tail      string `json:"tail"`       // hash of as many bytes before its first known end; empty if unknown
	Inode     uint64 `json:"inode"`      // 0 if the system has none
	Modified  int64  `json:"modified"`   // ns since 1970
	Size      int64  `json:"size"`       // it is read up to here
	Offset    int64  `json:"offset"`     // Kafka has it up to here
	Gone      int64  `json:"gone"`       // s since 1970 when it was first missing; 0 while it exists

	notedSize, notedModified int64 // a change that was logged
}

func (f *file) done() bool { return f.Offset >= f.Size }

// end sets an end that differs from the first known one.
func (f *file) end(size int64) { f.Size, f.Tail = size, "" }

// state is the progress in one directory, by file name.
type state struct {
	dir   string
	files map[string]*file
}

// document is the content of the state file; Sum is the checksum of the bytes of Files.
type document struct {
	Version int             `json:"version"`
	Dir     name            `json:"dir"`
	Sum     string          `json:"crc32c"`
	Files   json.RawMessage `json:"files"`
}

func checksum(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// encode encodes the state; equal states give equal bytes.
func (s *state) encode() ([]byte, error) {
	list := make([]*file, 0, len(s.files))
	for _, n := range slices.Sorted(maps.Keys(s.files)) {
		list = append(list, s.files[n])
	}
	files, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("encode the progress in %s: %w", s.dir, err)
	}
	b, err := json.Marshal(document{formatVersion, name(s.dir), checksum(files), files})
	if err != nil {
		return nil, fmt.Errorf("encode the progress in %s: %w", s.dir, err)
	}
	return append(b, '\n'), nil
}

// decode decodes what encode returned.
func decode(b []byte) (*state, error) {
	var d document
	dec := json.NewDecoder(bytes.NewReader(b))
	if err := dec.Decode(&d); err != nil {
		return nil, fmt.Errorf("not a progress file: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("data follows the progress")
	}
	if d.Version != formatVersion {
		return nil, fmt.Errorf("format version is %d, expected %d", d.Version, formatVersion)
	}
	if sum := checksum(d.Files); sum != d.Sum {
		return nil, fmt.Errorf("the checksum is %s, but the file says %s", sum, d.Sum)
	}
	var list []*file
	if err := json.Unmarshal(d.Files, &list); err != nil {
		return nil, fmt.Errorf("progress of files: %w", err)
	}
	s := &state{dir: string(d.Dir), files: make(map[string]*file, len(list))}
	for _, f := range list {
		switch {
		case f == nil || f.Name == "" || f.ID == "":
			return nil, errors.New("a file entry without a name or ID")
		case f.Size < 0 || f.Offset < 0 || f.Offset > f.Size || f.HeadBytes < 0 || f.HeadBytes > headBytes:
			return nil, fmt.Errorf("file %q: offset %d of %d, head of %d", f.Name, f.Offset, f.Size, f.HeadBytes)
		case s.files[string(f.Name)] != nil:
			return nil, fmt.Errorf("file %q is listed twice", f.Name)
		}
		s.files[string(f.Name)] = f
	}
	return s, nil
}

// forgetAfter is how long a missing file is remembered, because a directory that is briefly not mounted looks empty.
const forgetAfter = time.Hour

// updateMissing records which files are missing, and forgets those that have been missing for forgetAfter. It calls
// lost once for each missing file that was not read to its end. It reports whether anything changed.
func (s *state) updateMissing(there map[string]bool, now time.Time, lost func(*file)) (changed bool) {
	for n, f := range s.files {
		switch {
		case there[n]:
			changed = changed || f.Gone != 0
			f.Gone = 0
		case f.Gone == 0:
			f.Gone, changed = now.Unix(), true
			if !f.done() {
				lost(f)
			}
		case now.Unix()-f.Gone >= int64(forgetAfter/time.Second):
			delete(s.files, n)
			changed = true
		}
	}
	return changed
}
