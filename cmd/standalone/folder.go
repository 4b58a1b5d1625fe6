package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// folder is where the embedded broker keeps its log, held by a lock so that no two processes write into it.
type folder struct {
	path      string
	lock      *os.File
	temporary bool
}

// openFolder makes path, or a new temporary folder where it is empty, which goes with the process.
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
	taken, err := lockFile(f.lock)
	if taken {
		err = errors.New("another process is using it")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--data-dir %s: %w", f.path, err), f.lock.Close())
	}
	return f, nil
}

// log is the broker's own part of the folder.
func (f *folder) log() string { return filepath.Join(f.path, "kafka") }

func (f *folder) close() error {
	err := f.lock.Close()
	if f.temporary {
		err = errors.Join(err, os.RemoveAll(f.path))
	}
	return err
}

// fate says what becomes of the folder.
func (f *folder) fate() string {
	if f.temporary {
		return ", which goes with this process"
	}
	return ""
}
