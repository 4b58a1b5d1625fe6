package syslog

import (
	"bytes"
	"time"
)

// message is one syslog message as Flume's SyslogUtils parses it; its texts are views. It is not a full parse of RFC
// 5424: application, process and structured data stay in the body, as in Flume, because existing queries expect them
// there.
type message struct {
	valid    bool   // it begins with a priority
	priority int    // 0 to 999
	text     []byte // the priority's digits
	version  []byte // of RFC 5424, empty for 3164
	at       int64  // milliseconds since 1970
	timed    bool   // at is set
	host     []byte // empty if the message has none
	body     []byte // what follows the host; the whole line if date and host could not be parsed
}

// parse parses a line. It never fails: what cannot be parsed becomes the body. A date of RFC 3164 gets its year from
// now and its time zone from zone.
func parse(line []byte, now time.Time, zone *time.Location) message {
	m := message{body: line}
	end := bytes.IndexByte(line[:min(len(line), 5)], '>')
	if end < 2 || line[0] != '<' {
		return m
	}
	for _, c := range line[1:end] {
		if c < '0' || c > '9' {
			return message{body: line}
		}
		m.priority = m.priority*10 + int(c-'0')
	}
	m.valid, m.text = true, line[1:end]
	if rest, ok := m.parseRFC5424(line[end+1:]); ok {
		m.body = rest
		return m
	}
	m.version, m.timed, m.host = nil, false, nil
	if rest, ok := m.parseRFC3164(line[end+1:], now, zone); ok {
		m.body = rest
		return m
	}
	m.timed, m.host = false, nil
	return m
}

// parseRFC5424 reads the head of RFC 5424: [version SP] timestamp SP host SP, in which - means none.
func (m *message) parseRFC5424(b []byte) (rest []byte, ok bool) {
	if len(b) > 1 && b[0] >= '0' && b[0] <= '9' && b[1] == ' ' {
		m.version, b = b[:1], b[2:]
	}
	stamp, b, ok := bytes.Cut(b, space)
	if !ok {
		return nil, false
	}
	if !isNil(stamp) {
		at, good := parseRFC3339(stamp)
		if !good {
			return nil, false
		}
		m.at, m.timed = at, true
	}
	host, b, ok := bytes.Cut(b, space)
	if !ok || len(host) == 0 {
		return nil, false
	}
	if !isNil(host) {
		m.host = host
	}
	return b, true
}

// parseRFC3339 reads a date and time of RFC 3339 with its time zone; without one it is UTC.
func parseRFC3339(b []byte) (millis int64, ok bool) {
	const whole = "2006-01-02T15:04:05"
	if len(b) < len(whole) || b[10] != 'T' {
		return 0, false
	}
	for _, layout := range []string{time.RFC3339Nano, whole} {
		if t, err := time.Parse(layout, string(b)); err == nil {
			return t.UnixMilli(), true
		}
	}
	return 0, false
}

// parseRFC3164 reads the head of RFC 3164: Mmm dd hh:mm:ss SP host SP.
func (m *message) parseRFC3164(b []byte, now time.Time, zone *time.Location) (rest []byte, ok bool) {
	const layout = "Jan _2 15:04:05"
	n := len(layout)
	if len(b) > 5 && b[4] != ' ' && b[5] == ' ' { // a day of one digit, without the space before it
		n--
	}
	if len(b) <= n || b[n] != ' ' {
		return nil, false
	}
	t, err := time.ParseInLocation(layout, string(b[:n]), zone)
	if err != nil {
		return nil, false
	}
	host, rest, ok := bytes.Cut(b[n+1:], space)
	if !ok || len(host) == 0 {
		return nil, false
	}
	t = t.AddDate(now.In(zone).Year(), 0, 0)
	switch { // the date has no year; infer it as Flume does
	case t.After(now.AddDate(0, 1, 0)):
		t = t.AddDate(-1, 0, 0)
	case t.Before(now.AddDate(0, -11, 0)):
		t = t.AddDate(1, 0, 0)
	}
	m.at, m.timed, m.host = t.UnixMilli(), true, host
	return rest, true
}

var space = []byte{' '}

func isNil(b []byte) bool { return len(b) == 1 && b[0] == '-' }
