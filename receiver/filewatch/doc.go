// Package filewatch reads the lines of files that are moved into folders, as Spark's textFileStream does, and keeps on disk
// how far it has come.
//
// Files are read one after the other, those with older modification times first; names that begin with . or _, empty
// files, and folders within are left out. A line ends with \n, \r or \r\n, the last one also with the file; a UTF-8 byte
// order mark at the beginning of a file is no part of its first line. Each line is an event with three headers: file
// (the path), basename, and sluice.line, which names the line: the file's identity and the line's offset, the same
// whenever it is read.
//
// What happens to each batch, and what a death between two steps means:
//
//  1. The Appender is ready (P23). Up to Config.Batch lines are read into a frame. A death: they are read again.
//  2. Append gives them to Kafka, and returns with Kafka's word: there is no ack-timeout, since nobody waits. A death
//     from here on may leave lines in Kafka that come again: those of this one batch. So does an Appender that can place
//     some of them and refuses the others; the folder waits longer each time, up to 30 s.
//  3. Kafka has acknowledged every line. The file's new offset is written to the state: a temporary file, fsync, rename,
//     fsync of the folder. Nothing more is read of this folder before it is written. A death before the rename: the
//     batch comes again, with the same sluice.line, so that --dedup-header sluice.line counts it once. After it: nothing
//     comes again.
//
// A stop (P33) reads nothing more, and waits for the batch under way; so a stop within ShutdownTimeout never repeats a
// line.
//
// A file is known by its name, its beginning (a hash of its first KiB) and its inode; or by name, beginning, size and
// modification time where the inode has changed. One of the same size and another time is told by its last KiB. It is
// read up to the size that it had when it was first seen. What happens to a file that changes, each with a warning:
//
//   - grows: what was added is not read. Write elsewhere, and move the whole file in.
//   - is truncated: it is read up to its new end; within its beginning it is taken for another one; one without bytes is
//     given up.
//   - is replaced by another of the same name: that one is new and is read whole; what was not read of the old one is
//     lost.
//   - is deleted before it was read to its end: the rest is lost. One that is open is read to its end first.
//   - cannot be opened or read: it is tried again at each look at the folder; the others go on.
//   - is no text file of the folder: a FIFO, a socket, a device, a symbolic link that leads out of the directory (one with an
//     absolute path always does), or a packed file (gzip, zip and the like, by its first bytes). It is left, with one
//     warning.
//
// A file that has been gone for an hour is forgotten: the same one moved in again is then new.
package filewatch
