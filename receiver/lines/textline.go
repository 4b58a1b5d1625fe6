package lines

import "bytes"

// CutLine finds the first line of b as Java's BufferedReader.readLine does, and so Spark's socketTextStream and
// textFileStream: a line ends with \n, \r or \r\n. Bytes stay as they are; nothing is decoded. The line is b[:end], and
// the next one begins at b[next:]. ok is false if no line ends in b. A \r that is the last byte of b ends a line; if a
// \n follows later, it belongs to the same line end and the caller must skip it.
func CutLine(b []byte) (end, next int, ok bool) {
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

// EndsWithCR reports whether b ends with \r, which may be the first half of a \r\n line end.
func EndsWithCR(b []byte) bool { return len(b) > 0 && b[len(b)-1] == '\r' }
