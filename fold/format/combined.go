package format

import (
	"bytes"
	"errors"
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
	"github.com/sluice-etl/sluice/internal/option"
	"github.com/sluice-etl/sluice/row"
)

// clfFormat reads access logs of Apache and nginx: the common format
//
//	host ident user [17/May/2015:10:05:03 +0000] "GET /path HTTP/1.1" 200 1234
//
// and the combined one, which adds "referer" "agent". Fields are not converted: escapes such as \" and \xe4
// are not undone, and an absent text is a hyphen; an absent number of bytes is NULL. Where the request line is
// not one, path is the whole of it, and method and protocol are empty. What follows the last field on the line is
// ignored. Each line of a body is a row.
//
// A field in front of the host would shift all others, so a host, ident or user that cannot be one is an error.
type clfFormat struct {
	combined bool
	request  bool // method, path or protocol is used
	agent    bool // agent is used
}

const (
	clfHost = iota
	clfIdent
	clfUser
	clfTime
	clfMethod
	clfPath
	clfProtocol
	clfStatus
	clfBytes
	clfReferer
	clfAgent
	clfSlots
)

var clfNames = [clfSlots]string{
	"host", "ident", "user", "ts", "method", "path", "protocol", "status", "bytes", "referer", "agent",
}

func (f *clfFormat) Names() []string {
	if f.combined {
		return clfNames[:]
	}
	return clfNames[:clfReferer]
}

func (f *clfFormat) Column(path []string) (c Column, ok bool) {
	if len(path) != 1 {
		return c, false
	}
	for slot, name := range f.Names() {
		if !strings.EqualFold(path[0], name) {
			continue
		}
		c = Column{Type: value.Type{Kind: value.KindText}, Slot: slot}
		switch slot {
		case clfTime:
			c.Kind = value.KindTime
			c.Read = func(r *Fields, v value.Value) value.Value {
				micros, ok := r.Times.Parse(v.Bytes)
				if !ok {
					return r.Fail("ts %s is not a time such as 17/May/2015:10:05:03 +0000", value.Quote(v.Bytes))
				}
				return value.Time(micros)
			}
		case clfMethod, clfPath, clfProtocol:
			f.request = true
		case clfAgent:
			f.agent = true
		case clfStatus:
			c.Kind = value.KindInt
		case clfBytes:
			c.Kind, c.Nullable = value.KindInt, true
		}
		return c, true
	}
	return c, false
}

func (f *clfFormat) NewParser() (Parser, int) { return &clfParser{format: *f}, clfSlots }

type clfParser struct {
	format clfFormat
	rest   []byte // the lines after the current one
}

var (
	errEmptyLine = errors.New("the line is empty")
	errHost      = errors.New("expected host, ident and user before the time, separated by spaces")
	errInFront   = errors.New("something stands in front of the host, or the fields before the time are not host, ident and user: " +
		"a syslog tag, a virtual host, a list of addresses or a container's prefix needs " + option.Ref("log-format-string"))
	errTime    = errors.New("expected a time in brackets after the user, such as [17/May/2015:10:05:03 +0000]")
	errRequest = errors.New(`expected the request line in quotes after the time, such as "GET / HTTP/1.1"`)
	errStatus  = errors.New("expected a status of three digits after the request line")
	errBytes   = errors.New("expected a number of bytes or a hyphen after the status")
	errSize    = errors.New("the number of bytes has more than 18 digits")
	errReferer = errors.New("expected the referer in quotes after the bytes; log format common has none")
	errAgent   = errors.New("expected the user agent in quotes after the referer")
)

// Start implements Parser. A sender may leave a byte order mark in front of the first line.
func (p *clfParser) Start(body []byte, r *Fields) (bool, error) {
	if n := len(body); n > 0 && bytes.IndexByte(body, '\n') < 0 && body[0] != value.ByteOrderMark[0] && body[n-1] != '\r' {
		p.rest = nil // nearly every body is one line without a line ending
		return true, p.line((*[clfSlots]value.Value)(r.Values), body)
	}
	p.rest = value.TrimBOM(body)
	more, err := p.Next(r)
	if !more && err == nil {
		err = errEmptyLine
	}
	return more, err
}

// Next implements Parser: it reads the next line that is not blank.
func (p *clfParser) Next(r *Fields) (bool, error) {
	if len(p.rest) == 0 {
		return false, nil
	}
	b, more := nextLine(&p.rest)
	if !more {
		return false, nil
	}
	return true, p.line((*[clfSlots]value.Value)(r.Values), b)
}

// line reads one line without its line ending.
func (p *clfParser) line(f *[clfSlots]value.Value, b []byte) error {
	i := bytes.IndexByte(b, ' ')
	if i <= 0 {
		return errHost
	}
	if !isDottedDigits(b, i) && !isHost(b[:i]) {
		return errInFront
	}
	f[clfHost].Bytes, f[clfHost].Set = b[:i], true
	b = b[i+1:]
	// Nearly every line continues with two hyphens.
	if len(b) >= 5 && b[0] == '-' && b[1] == ' ' && b[2] == '-' && b[3] == ' ' && b[4] == '[' {
		f[clfIdent].Bytes, f[clfIdent].Set = b[:1], true
		f[clfUser].Bytes, f[clfUser].Set = b[2:3], true
		b = b[5:]
	} else {
		i = bytes.IndexByte(b, ' ')
		if i < 0 {
			return errHost
		}
		// A user's name may hold spaces.
		j := bytes.Index(b[i:], []byte(" ["))
		if j < 0 {
			return errTime
		}
		if j == 0 {
			return errHost
		}
		ident, user := b[:i], b[i+1:i+j]
		if !isIdent(ident) || !isUser(user) {
			return errInFront
		}
		f[clfIdent].Bytes, f[clfIdent].Set = ident, true
		f[clfUser].Bytes, f[clfUser].Set = user, true
		b = b[i+j+2:]
	}
	i = 26
	if len(b) <= i || b[i] != ']' {
		if i = bytes.IndexByte(b, ']'); i < 0 {
			return errTime
		}
	}
	f[clfTime].Bytes, f[clfTime].Set = b[:i], true
	b = b[i+1:]
	if len(b) < 2 || b[0] != ' ' || b[1] != '"' {
		return errRequest
	}
	request, b, ok := quoted(b[2:])
	if !ok {
		return errRequest
	}
	if p.format.request {
		splitRequest(f, request)
	}
	return p.numbers(f, b)
}

// numbers reads what follows the request line.
func (p *clfParser) numbers(f *[clfSlots]value.Value, b []byte) error {
	if len(b) < 5 || b[0] != ' ' || b[4] != ' ' || b[1]-'0' > 9 || b[2]-'0' > 9 || b[3]-'0' > 9 {
		return errStatus
	}
	status := uint64(b[1]-'0')*100 + uint64(b[2]-'0')*10 + uint64(b[3]-'0')
	f[clfStatus].Number, f[clfStatus].Set = row.Number{Lo: status}, true
	b = b[5:]
	size, i := leadingNumber(b)
	f[clfBytes].Number, f[clfBytes].Set = row.Number{Lo: size}, true
	if i == 0 {
		if len(b) == 0 || b[0] != '-' {
			return errBytes
		}
		i, f[clfBytes].Set = 1, false
	}
	if i > 18 {
		return errSize
	}
	b = b[i:]
	if len(b) > 0 && b[0] != ' ' {
		return errBytes
	}
	if !p.format.combined {
		return nil
	}
	if len(b) < 2 || b[1] != '"' {
		return errReferer
	}
	var referer []byte
	if len(b) >= 4 && b[2] == '-' && b[3] == '"' {
		referer, b = b[2:3], b[4:]
	} else {
		var ok bool
		if referer, b, ok = quoted(b[2:]); !ok {
			return errReferer
		}
	}
	if len(b) < 2 || b[0] != ' ' || b[1] != '"' {
		return errAgent
	}
	f[clfReferer].Bytes, f[clfReferer].Set = referer, true
	// The agent is the last field. If the line was cut within it, its value is what is there. So it is never an error, and
	// it is read only if a query uses it.
	if p.format.agent {
		agent, _, _ := quoted(b[2:])
		f[clfAgent].Bytes, f[clfAgent].Set = agent, true
	}
	return nil
}

// quoted reads up to the next quote that no backslash escapes. If there is none, ok is false and field is all of b.
func quoted(b []byte) (field, rest []byte, ok bool) {
	for from := 0; ; {
		i := bytes.IndexByte(b[from:], '"')
		if i < 0 {
			return b, nil, false
		}
		i += from
		if i == 0 || b[i-1] != '\\' {
			return b[:i], b[i+1:], true
		}
		slashes := 1
		for slashes < i && b[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return b[:i], b[i+1:], true
		}
		from = i + 1
	}
}

// splitRequest splits METHOD path PROTOCOL. Only what begins with HTTP/ is a protocol; a path may hold spaces.
func splitRequest(f *[clfSlots]value.Value, request []byte) {
	method, path, protocol := request[:0], request, request[:0]
	if i := bytes.IndexByte(request, ' '); i > 0 && isMethod(request[:i]) {
		method, path = request[:i], request[i+1:]
		if j := bytes.LastIndexByte(path, ' '); j >= 0 && bytes.HasPrefix(path[j+1:], []byte("HTTP/")) {
			path, protocol = path[:j], path[j+1:]
		}
	}
	f[clfMethod].Bytes, f[clfMethod].Set = method, true
	f[clfPath].Bytes, f[clfPath].Set = path, true
	f[clfProtocol].Bytes, f[clfProtocol].Set = protocol, true
}

// isMethod reports whether b is made of letters, hyphens and underscores. RFC 9110 allows more, which no method uses.
func isMethod(b []byte) bool {
	for _, c := range b {
		if c|0x20-'a' > 25 && c != '-' && c != '_' {
			return false
		}
	}
	return true
}
