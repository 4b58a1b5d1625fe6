package socket

import "github.com/sluice-etl/sluice/receiver/lines"

// readBytes is how much is read at once, and so the maximum that is held beside an unterminated line.
const readBytes = 64 << 10

// cutter splits the bytes of a connection into lines. It keeps up to limit bytes of an unterminated line.
type cutter struct {
	limit   int
	rest    []byte // the unterminated line
	skipLF  bool   // a \n that comes next belongs to the \r before it
	tooLong bool   // the unterminated line is longer than limit, and rest is empty
}

// add calls line for each line that ends in b, with a view of b or rest that is valid until line returns, and long for
// each line that is too long. After an error of line the cutter must not be used again.
func (c *cutter) add(b []byte, line func([]byte) error, long func()) error {
	for len(b) > 0 {
		if c.skipLF && b[0] == '\n' {
			b = b[1:]
		}
		c.skipLF = false
		end, next, ok := lines.CutLine(b)
		if !ok {
			c.keep(b)
			return nil
		}
		c.skipLF = next == len(b) && lines.EndsWithCR(b)
		body := b[:end]
		if len(c.rest) > 0 || c.tooLong {
			c.keep(body)
			body = c.rest
		}
		if c.tooLong || len(body) > c.limit {
			long()
		} else if err := line(body); err != nil {
			return err
		}
		c.rest, c.tooLong = c.rest[:0], false
		b = b[next:]
	}
	return nil
}

// keep appends to the unterminated line.
func (c *cutter) keep(b []byte) {
	if c.tooLong = c.tooLong || len(c.rest)+len(b) > c.limit; c.tooLong {
		c.rest = c.rest[:0]
		return
	}
	c.rest = append(c.rest, b...)
}

// unfinished reports whether a line has begun and not ended.
func (c *cutter) unfinished() bool { return len(c.rest) > 0 || c.tooLong }
