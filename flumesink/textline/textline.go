// Package textline cuts text into lines as Java's BufferedReader.readLine does, and so Spark's socketTextStream and
// textFileStream: a line ends with \n, \r or \r\n. Bytes stay as they are; nothing is decoded.
package textline

import "bytes"

// Cut finds the first line of b: the line is b[:end], the next one begins at b[next:]. ok is false where no line ends in
// b. A \r that is b's last byte ends a line; where a \n follows later it belongs to that same end, and the caller has to
// leave it out.
func Cut(b []byte) (end, next int, ok bool) {
	end = bytes.IndexAny(b, "\r\n")
	if end < 0 {
		return 0, 0, false
	}
	next = end + 1
	if b[end] == '\r' && next < len(b) && b[next] == '\n' {
		next++
	}
	return end, next, true
}

// Open reports whether b, which ends with a line's end, may have only half of it: its last byte is a \r.
func Open(b []byte) bool { return len(b) > 0 && b[len(b)-1] == '\r' }
