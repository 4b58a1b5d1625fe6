// Package filewatch reads the lines of files that are moved into directories, as Spark's textFileStream does, and keeps
// its progress on disk.
//
// Files are read one after the other in the order of their modification times. Names that begin with . or _, empty
// files and subdirectories are ignored. A line ends with \n, \r or \r\n, and the last one also with the file; a UTF-8
// byte order mark at the beginning of a file is not part of its first line. Each line is an event with three headers:
// file (the path), basename, and sluice.line, which identifies the line: the file's ID and the line's offset, the same
// whenever it is read.
//
// These are the steps for each batch, and what a crash between two of them means:
//
//  1. The Appender is ready (P23). Up to Config.Batch lines are read into a frame. A crash: they are read again.
//  2. Append gives them to Kafka and returns once Kafka has acknowledged or failed them. There is no ack-timeout,
//     because no client waits for a reply. After a crash from here on, the lines of this one batch may be in Kafka
//     twice. The same can happen if Kafka accepts some of them and rejects the others; the interval between retries
//     then grows, up to 30 s.
//  3. Kafka has acknowledged every line. The file's new offset is written to the state: to a temporary file, fsync,
//     rename, fsync of the directory. Nothing more is read of this directory before that. After a crash before the
//     rename, the batch is produced again with the same sluice.line, so --dedup-header sluice.line counts it once.
//     After the rename, nothing is repeated.
//
// A stop (P33) reads nothing more and waits for the batch in progress, so a stop within ShutdownTimeout never repeats a
// line.
//
// A file is identified by its name, its beginning (a hash of its first KiB) and its inode; or by name, beginning, size
// and modification time if the inode has changed. A file of the same size and another time is compared by its last KiB.
// It is read up to the size that it had when it was first seen. Each of these changes causes a warning:
//
//   - It grows: the added bytes are not read. Write files elsewhere, and move complete files in.
//   - It is truncated: it is read up to its new end. If it ends within its beginning, it is another file. If it is
//     empty, its rest is lost.
//   - It is replaced by another file of the same name: that one is new and is read from its beginning; what was not
//     read of the old one is lost.
//   - It is deleted before it was read to its end: the rest is lost, unless it is open, in which case it is read first.
//   - It cannot be opened or read: it is retried whenever the directory is scanned, and the others are read meanwhile.
//   - It is not a text file of the directory: a FIFO, a socket, a device, a symbolic link that leads out of the
//     directory (every link with an absolute path does), or a compressed file (gzip, zip and the like, by its first
//     bytes). It is skipped, with one warning.
//
// A file that has been missing for an hour is forgotten: if it is moved in again, it is new.
package filewatch
