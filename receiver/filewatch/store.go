package filewatch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/sluice-etl/sluice/internal/filelock"
	"github.com/sluice-etl/sluice/internal/option"
)

// store is one directory's state on disk.
type store struct {
	path  string
	write func(path string, b []byte) error // writeDurably, unless a test replaces it
}

// newStore returns the store of the watched directory dir (absolute) in the directory at.
func newStore(at, dir string) *store {
	sum := sha256.Sum256([]byte(dir))
	return &store{filepath.Join(at, filepath.Base(dir)+"-"+hex.EncodeToString(sum[:6])+".json"), writeDurably}
}

// load reads the state, which is empty if there is no file.
func (s *store) load(dir string) (*state, error) {
	b, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return &state{dir: dir, files: map[string]*file{}}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the progress of the directory %s: %w", dir, err)
	}
	st, err := decode(b)
	if err == nil && st.dir != dir {
		err = fmt.Errorf("it belongs to the directory %s", st.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("the progress of the directory %s cannot be read from %s: %w; restore a good copy, or remove the file to read every file in the directory from its beginning", dir, s.path, err)
	}
	return st, nil
}

// save writes the state, and returns when it is on disk.
func (s *store) save(st *state) error {
	b, err := st.encode()
	if err != nil {
		return err
	}
	if err := s.write(s.path, b); err != nil {
		return fmt.Errorf("save the progress of the directory %s: %w", st.dir, err)
	}
	return nil
}

// writeDurably replaces the content of the file at path by b, atomically, and returns once it would survive a power
// loss.
func writeDurably(path string, b []byte) error {
	part, err := os.OpenFile(path+".part", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = part.Write(b)
	if err == nil {
		err = part.Sync()
	}
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	if err := os.Rename(path+".part", path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// openState creates the directory if it does not exist, and locks it.
func openState(at string) (*os.File, error) {
	if err := os.MkdirAll(at, 0o700); err != nil {
		return nil, fmt.Errorf("%s: %w", option.Ref(optionState), err)
	}
	path := filepath.Join(at, "lock")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option.Ref(optionState), err)
	}
	if err := filelock.TryLock(f); err != nil {
		return nil, errors.Join(fmt.Errorf(option.Ref("watch-state")+" %s is in use by another process (%s): %w; %s", at, path, err, ownDirectories), f.Close())
	}
	return f, nil
}
