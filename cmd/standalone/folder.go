package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-etl/sluice/internal/filelock"
)

// folder is the directory of the embedded broker's log, locked so that no two processes write to it.
type folder struct {
	path      string
	lock      *os.File
	temporary bool
}

// openFolder creates path if it is missing, or a temporary directory if path is empty, which close removes.
func openFolder(path string) (*folder, error) {
	f := &folder{path: path, temporary: path == ""}
	var err error
	if f.temporary {
		f.path, err = os.MkdirTemp("", "sluice-standalone-")
	} else {
		err = os.MkdirAll(path, 0o750)
	}
	if err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	}
	f.lock, err = os.OpenFile(filepath.Join(f.path, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("--data-dir: %w", err)
	}
	err = filelock.TryLock(f.lock)
	if errors.Is(err, filelock.ErrLocked) {
		err = errors.New("in use by another process")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--data-dir %s: %w", f.path, err), f.lock.Close())
	}
	return f, nil
}

// log returns the broker's subdirectory.
func (f *folder) log() string { return filepath.Join(f.path, "kafka") }

func (f *folder) close() error {
	err := f.lock.Close()
	if f.temporary {
		err = errors.Join(err, os.RemoveAll(f.path))
	}
	return err
}

// fate describes what happens to the directory at the end.
func (f *folder) fate() string {
	if f.temporary {
		return ", which is removed at exit"
	}
	return ""
}
