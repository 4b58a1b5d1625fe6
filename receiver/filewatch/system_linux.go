package filewatch

import (
	"io/fs"
	"syscall"

	"golang.org/x/sys/unix"
)

// inode returns the file's inode number.
func inode(i fs.FileInfo) uint64 {
	if s, ok := i.Sys().(*syscall.Stat_t); ok {
		return s.Ino
	}
	return 0
}

// writable returns an error if this user cannot create files in the directory.
func writable(folder string) error {
	return unix.Faccessat(unix.AT_FDCWD, folder, unix.W_OK|unix.X_OK, unix.AT_EACCESS)
}
