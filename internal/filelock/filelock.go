// Package filelock locks files against other processes. The system releases a lock when the file is closed or the process
// ends, however it ends. On systems other than Unix it does nothing.
package filelock

import "errors"

// ErrLocked is returned by [TryLock] if another process holds the lock.
var ErrLocked = errors.New("another process holds the lock")
