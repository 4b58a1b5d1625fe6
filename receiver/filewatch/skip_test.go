package filewatch

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// A file that is not a regular file of the directory is skipped with one warning, and does not affect others.
func TestWatcher_skipsWhatIsNoRegularFile(t *testing.T) {
	t.Parallel()
	dir, k := t.TempDir(), &kafka{}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	outer := filepath.Join(t.TempDir(), "outer")
	if err := os.Mkdir(outer, 0o700); err != nil {
		t.Fatal(err)
	}
	up, err := filepath.Rel(dir, outside)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = socket.Close() }()
	put(t, dir, "inside", "1\n", time.Hour)
	for link, to := range map[string]string{
		"absolute": outside, "relative": up, "folder": outer, "device": "/dev/zero", "within": "inside", "same-folder": ".",
		"through": "through-folder/../inside",
	} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outer, filepath.Join(dir, "through-folder")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("fifo", filepath.Join(dir, "fifo-link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, dir, "last", "2\n", -time.Hour)
	g := start(t, k, dir, t.TempDir(), nil, nil)
	g.Wants(k.got, "inside: 1", "within: 1", "last: 2")
	g.idle()
	put(t, dir, "later", "3\n", -2*time.Hour)
	g.Wants(k.got, "inside: 1", "within: 1", "last: 2", "later: 3") // the directory was scanned again
	log := g.Log.String()
	for file, why := range map[string]string{
		"absolute": skippedLink, "relative": skippedLink, "folder": skippedLink, "device": skippedLink, "through-folder": skippedLink,
		"fifo": skippedSpecial, "fifo-link": skippedSpecial, "socket": skippedSpecial, "through": skippedLink,
	} {
		if n := strings.Count(log, "file="+file+` why="`+why+`"`); n != 1 {
			t.Errorf("%d warnings of %s, expected 1: %s", n, file, why)
		}
	}
	if n := g.Metric("etl_receiver_refused_total", reasonSkipped); n != 9 {
		t.Errorf("%v files counted as left, expected 9; log: %s", n, log)
	}
	if bodies := k.Bodies(); slices.Contains(bodies, "secret") {
		t.Errorf("a file outside of the directory was read: %q", bodies)
	}
}

// A file that becomes a FIFO or a link out of the directory after the directory was listed does not block and is not
// read.
func TestWatcher_fileReplacedAfterListing(t *testing.T) {
	t.Parallel()
	dir, k := t.TempDir(), &kafka{}
	g := start(t, k, dir, t.TempDir(), func(c *Config, _ *receiver.Runtime) { c.Interval = time.Hour }, nil)
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	f := newFolder(g.w, dir)
	f.state = &state{dir: dir, files: map[string]*file{}}
	f.root = root
	done := make(chan error, 2)
	go func() {
		for _, name := range []string{"fifo", "link"} {
			done <- f.open(context.Background(), context.Background(), name)
		}
	}()
	late := time.NewTimer(receivertest.Timeout)
	defer late.Stop()
	for range 2 {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-late.C:
			t.Fatal("open blocks")
		}
	}
	if f.skipped["fifo"].why != skippedSpecial || f.skipped["link"].why != skippedLink || len(f.state.files) != 0 || len(k.Events()) != 0 {
		t.Errorf("left %v, known %v, events %v; expected the FIFO to be skipped because %v, the link because %v, no known file and no event", f.skipped, f.state.files, k.got(), skippedSpecial, skippedLink)
	}
}

// Compressed files are skipped, by their first bytes and not by their names. One that is replaced by a text file is
// read.
func TestWatcher_skipsCompressedFiles(t *testing.T) {
	t.Parallel()
	dir, at, k := t.TempDir(), t.TempDir(), &kafka{}
	compressedFiles := map[string]string{
		"a.log": "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\n\n", "b.gz": "\x1f\x8b", "c.Z": "\x1f\x9d\x90", "d.bz2": "BZh91AY&SY\n\n",
		"e.bz2": "BZh9\x17rE8P\x90\x00\x00", "f.xz": "\xfd7zXZ\x00\x00", "g.zst": "\x28\xb5\x2f\xfd\x04", "h.zip": "PK\x03\x04\n\n",
		"i.zip": "PK\x05\x06\x00\x00", "j.lz4": "\x04\x22\x4d\x18\n", "k.7z": "7z\xbc\xaf\x27\x1c\n", "l.sz": "\xff\x06\x00\x00sNaPpY\n",
	}
	for name, text := range compressedFiles {
		put(t, dir, name, text, time.Hour)
	}
	put(t, dir, "plain.gz", "a text\n", 3*time.Minute)
	put(t, dir, "BZh.log", "BZh9 is a text\n", 2*time.Minute)
	put(t, dir, "PK.log", "PK is a text\n", time.Minute)
	want := []string{"plain.gz: a text", "BZh.log: BZh9 is a text", "PK.log: PK is a text"}
	g := start(t, k, dir, at, nil, nil)
	g.Wants(k.got, want...)
	put(t, dir, "b.gz", "now a text\n", 0)
	want = append(want, "b.gz: now a text")
	g.Wants(k.got, want...)
	g.idle()
	if n := g.Metric("etl_receiver_refused_total", reasonSkipped); n != float64(len(compressedFiles)) {
		t.Errorf("%v files counted as left, expected %d; log %s", n, len(compressedFiles), g.Log.String())
	}
	for _, kind := range []string{"gzip", "compress", "bzip2", "xz", "zstd", "zip", "lz4", "7z", "snappy"} {
		if !strings.Contains(g.Log.String(), "compressed with "+kind+";") {
			t.Errorf("no warning of %s, expected the log to contain %q", kind, "compressed with "+kind+";")
		}
	}
}
