//go:build !unix

package filelock

import "os"

// TryLock does nothing: the operator must ensure that no second process uses the directory.
func TryLock(*os.File) error { return nil }
