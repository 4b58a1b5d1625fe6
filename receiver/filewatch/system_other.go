//go:build !linux

package filewatch

import "io/fs"

// inode returns 0: files are identified by name, beginning, size and modification time only.
func inode(fs.FileInfo) uint64 { return 0 }

// writable returns nil: only a start detects a directory that cannot be written to.
func writable(string) error { return nil }
