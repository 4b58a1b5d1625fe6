package filewatch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sluice-etl/sluice/internal/filelock"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/receiver/netserver"
)

// The names of the options.
const (
	optionDir   = "watch-dir"
	optionState = "watch-state"
)

// ownDirectories is what to do if two processes watch the same directory.
var ownDirectories = "give each process its own " + option.Ref(optionState) + " and its own " + option.Ref(optionDir)

// mostChecked is how many files of a directory Check opens.
const mostChecked = 10_000

// Check checks that the directories can be read and that the progress can be written, without changing anything. It
// also detects a running process that keeps its progress in the same directory.
func (c *Config) Check() []netserver.Finding {
	var all []netserver.Finding
	for _, dir := range c.Dirs {
		all = append(all, checkDir(absolute(dir)))
	}
	state := absolute(c.State)
	kept := checkState(state)
	all = append(all, kept)
	if kept.Level == netserver.Failed {
		return all
	}
	for _, dir := range c.Dirs {
		if _, err := newStore(state, absolute(dir)).load(absolute(dir)); err != nil {
			all = append(all, netserver.Finding{Subject: option.Ref(optionState), Text: err.Error(), Level: netserver.Failed})
		}
	}
	return all
}

func checkDir(dir string) netserver.Finding {
	failed := func(format string, args ...any) netserver.Finding {
		return netserver.Finding{Subject: option.Ref(optionDir), Text: fmt.Sprintf(format, args...), Level: netserver.Failed}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return failed("%v: must be a directory that this user can read", err)
	}
	defer func() { _ = root.Close() }() // only read from
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return failed("%s: %v: must be a directory that this user can read", dir, err)
	}
	files, bad, why := 0, 0, error(nil)
	for _, e := range entries[:min(len(entries), mostChecked)] {
		if !e.Type().IsRegular() {
			continue
		}
		files++
		h, err := openIn(root, e.Name())
		if err == nil {
			err = h.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			bad++
			why = err
		}
	}
	if bad > 0 {
		return netserver.Finding{Subject: option.Ref(optionDir), Text: fmt.Sprintf("%s: %d of %d files cannot be read, last error: %v", dir, bad, files, why), Level: netserver.Warning}
	}
	return netserver.Finding{Subject: option.Ref(optionDir), Text: fmt.Sprintf("%s: readable, %d files", dir, files)}
}

func checkState(at string) netserver.Finding {
	failed := func(format string, args ...any) netserver.Finding {
		return netserver.Finding{Subject: option.Ref(optionState), Text: fmt.Sprintf(format, args...), Level: netserver.Failed}
	}
	info, err := os.Stat(at)
	if errors.Is(err, fs.ErrNotExist) {
		above := at
		for errors.Is(err, fs.ErrNotExist) && above != filepath.Dir(above) {
			above = filepath.Dir(above)
			info, err = os.Stat(above)
		}
		if err == nil && !info.IsDir() {
			err = errors.New("it is not a directory")
		}
		if err == nil {
			err = writable(above)
		}
		if err != nil {
			return failed("%s: cannot be created: %s: %v", at, above, err)
		}
		return netserver.Finding{Subject: option.Ref(optionState), Text: at + ": does not exist yet; it is created at start"}
	}
	switch {
	case err != nil:
		return failed("%v", err)
	case !info.IsDir():
		return failed("%s: must be a directory that this user can write to", at)
	}
	if err := writable(at); err != nil {
		return failed("%s: not writable: %v: must be a directory that this user can write to", at, err)
	}
	f, err := os.OpenFile(filepath.Join(at, "lock"), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return netserver.Finding{Subject: option.Ref(optionState), Text: at + ": writable"}
	}
	if err != nil {
		return failed("%v", err)
	}
	err = filelock.TryLock(f)
	_ = f.Close() // releases the lock
	if err != nil {
		return failed("%s is in use by another process: %v; %s", at, err, ownDirectories)
	}
	return netserver.Finding{Subject: option.Ref(optionState), Text: at + ": writable"}
}
