package filewatch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func some() *state {
	return &state{dir: "/spool/\xff", files: map[string]*file{
		"a\xff\"\n\\": {Name: "a\xff\"\n\\", ID: "i", Head: "00", HeadBytes: 10, Inode: 7, Modified: 8, Size: 10, Offset: 5},
		"ä":           {Name: "ä", ID: "j", Size: 3, Offset: 3, Gone: 9},
	}}
}

func TestState_roundTrip(t *testing.T) {
	t.Parallel()
	s := newStore(t.TempDir(), "/spool/\xff")
	if err := s.save(some()); err != nil {
		t.Fatal(err)
	}
	got, err := s.load("/spool/\xff")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(some(), got, cmp.AllowUnexported(state{}, file{})); d != "" {
		t.Error(d)
	}
	if _, err := s.load("/other"); err == nil || !strings.Contains(err.Error(), "it belongs to the directory /spool/") {
		t.Errorf("got %v, expected an error that contains %q", err, "it belongs to the directory /spool/")
	}
	b, err := os.ReadFile(s.path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b[:len(b)-1] { // the loss of any byte is detected
		if got, err := decode(append(b[:i:i], b[i+1:]...)); err == nil && got.dir == some().dir {
			t.Errorf("accepted without byte %d", i)
		}
	}
}

func TestState_missingFiles(t *testing.T) {
	t.Parallel()
	s := &state{files: map[string]*file{"there": {}, "read": {}, "half": {Name: "half", Size: 1}, "back": {Gone: 5}}}
	now := time.Unix(1e9, 0)
	var lost []string
	miss := func(now time.Time) bool {
		return s.updateMissing(map[string]bool{"there": true, "back": true}, now, func(f *file) { lost = append(lost, string(f.Name)) })
	}
	if !miss(now) || miss(now.Add(forgetAfter-time.Second)) || !miss(now.Add(forgetAfter)) || len(s.files) != 2 {
		t.Errorf("files %v", s.files)
	}
	if d := cmp.Diff([]string{"half"}, lost); d != "" {
		t.Error(d)
	}
}

// FuzzDecode: every accepted state is encoded and decoded to the same state.
func FuzzDecode(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*.json")
	if err != nil || len(seeds) == 0 {
		f.Fatalf("got %v, %v; expected elements and no error", err, seeds)
	}
	for _, path := range seeds {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decode(b)
		if err != nil {
			return
		}
		again, err := s.encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode(again)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, got, cmp.AllowUnexported(state{}, file{})); d != "" {
			t.Fatal(d)
		}
	})
}
