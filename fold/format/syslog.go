package format

import (
	"bytes"
	"strings"

	"github.com/sluice-etl/sluice/fold/value"
)

// syslogFormat reads syslog messages: those of RFC 5424
//
//	<34>1 2015-05-17T10:05:03.003Z mymachine su 77 ID47 [id@32473 name="value"] message
//
// and those of RFC 3164 as they occur, with or without a priority, with its time or one of RFC 3339, and with or without a
// host name:
//
//	<34>May 17 10:05:03 mymachine su[77]: message
//
// Of structured data, structured_data.id.name is the value of a parameter; the first of its name counts.
type syslogFormat struct {
	columnList
	params []syslogParam
}

// syslogParam is a parameter of structured data that a program uses.
type syslogParam struct{ id, name string }

const (
	syslogFacility = iota
	syslogSeverity
	syslogTime
	syslogHost
	syslogApp
	syslogProc
	syslogMsgID
	syslogData
	syslogMessage
	syslogSlots
)

func newSyslog(string) (Format, error) {
	f := &syslogFormat{}
	for slot, name := range [syslogSlots]string{"facility", "severity", "ts", "hostname", "app_name", "procid", "msgid", "structured_data", "message"} {
		c := textColumn(name)
		c.typ.Nullable = slot != syslogMessage
		switch slot {
		case syslogFacility, syslogSeverity:
			c.typ.Kind = value.KindInt
		case syslogTime:
			c.typ.Kind, c.typ.Scale, c.read = value.KindTime, 6, func(r *Fields, v value.Value) value.Value { return readSyslogTime(r, name, v) }
		}
		f.cols = append(f.cols, c)
	}
	return f, nil
}

// Column implements Format.
func (f *syslogFormat) Column(path []string) (c Column, ok bool) {
	if len(path) != 3 || !strings.EqualFold(path[0], "structured_data") {
		return f.columnList.Column(path)
	}
	c.Type = value.Type{Kind: value.KindText, Nullable: true}
	param := syslogParam{path[1], path[2]}
	i := 0
	for i < len(f.params) && f.params[i] != param {
		i++
	}
	if i == len(f.params) {
		f.params = append(f.params, param)
	}
	c.Slot = syslogSlots + i
	return c, true
}

func (f *syslogFormat) NewParser() (Parser, int) {
	return &lineParser{line: (&syslogLine{f.params}).read}, syslogSlots + len(f.params)
}

// readSyslogTime reads a time of RFC 3339, or one of RFC 3164, which has no year and no zone. name is the column.
func readSyslogTime(r *Fields, name string, v value.Value) value.Value {
	if v.Bytes[0]-'0' <= 9 {
		micros, ok := value.ParseTime(v.Bytes, r.Times.Zone)
		if !ok {
			return r.Fail(name+" %s is not a time such as 2015-05-17T10:05:03.003Z", value.Quote(v.Bytes))
		}
		return value.Time(micros)
	}
	if r.KafkaTime == -1 || r.KafkaTime < value.MinTime/1000 || r.KafkaTime > value.MaxTime/1000 {
		return r.Fail(name+" %s has no year, and the record's timestamp in Kafka is not a time from which to infer it", value.Quote(v.Bytes))
	}
	micros, ok := value.ParseSyslogTime(v.Bytes, r.KafkaTime*1000, r.Times.Zone)
	if !ok {
		return r.Fail(name+" %s is not a time such as May 17 10:05:03", value.Quote(v.Bytes))
	}
	return value.Time(micros)
}

type syslogLine struct{ params []syslogParam }

const (
	expectedPriority = "syslog: expected a priority from 0 to 191, such as <34>"
	expectedDate     = "syslog: expected a time such as May 17 10:05:03 or 2015-05-17T10:05:03Z, with the priority in front or without; " +
		"Flume's syslog source and the syslog receiver remove them from the body unless they keep all fields"
	expectedHost  = "syslog: expected a host name, or a tag that ends with a colon, after the time"
	expectedHead  = "syslog: expected time, host, application, process and message ID, each printable ASCII or -, and structured data"
	expectedData  = `syslog: expected structured data such as [id@32473 name="value"] or -`
	expectedSpace = "syslog: expected a space and the message, or nothing, after the structured data"
)

func (p *syslogLine) read(r *Fields, b []byte) error {
	for i := range r.Values {
		r.Values[i] = value.Null
	}
	at := 0
	if b[0] == '<' {
		priority, digits := leadingNumber(b[1:])
		at = digits + 2
		if digits == 0 || digits > 3 || priority > 191 || digits > 1 && b[1] == '0' || len(b) < at || b[at-1] != '>' {
			return mismatchAt(r, expectedPriority, b, 0)
		}
		r.Values[syslogFacility] = value.Int(int64(priority / 8))
		r.Values[syslogSeverity] = value.Int(int64(priority % 8))
		if len(b) > at+1 && b[at] == '1' && b[at+1] == ' ' {
			return p.modern(r, b, at+2)
		}
	}
	return p.old(r, b, at)
}

// old reads what follows the priority in RFC 3164.
func (p *syslogLine) old(r *Fields, b []byte, at int) error {
	n := value.SyslogTimeLength(b[at:])
	if n == 0 {
		n = wordLength(b[at:])
		if !looksLikeRFC3339(b[at : at+n]) {
			return mismatchAt(r, expectedDate, b, at)
		}
	}
	r.Values[syslogTime] = value.Text(b[at : at+n])
	if at += n; at+1 >= len(b) || b[at] != ' ' {
		return mismatchAt(r, expectedHost, b, at)
	}
	at++
	n = wordLength(b[at:])
	word := b[at : at+n]
	if n == 0 || word[n-1] != ':' {
		if n == 0 || !isHost(word) {
			return mismatchAt(r, expectedHost, b, at)
		}
		r.Values[syslogHost] = value.Text(word)
		at = min(at+n+1, len(b))
		word = b[at : at+wordLength(b[at:])]
	}
	if app, proc, ok := splitTag(word); ok {
		r.Values[syslogApp] = value.Text(app)
		if len(proc) > 0 {
			r.Values[syslogProc] = value.Text(proc)
		}
		at = min(at+len(word)+1, len(b))
	}
	r.Values[syslogMessage] = value.Text(b[at:])
	return nil
}

// splitTag splits the tags app: and app[proc]: and app[proc].
func splitTag(word []byte) (app, proc []byte, ok bool) {
	app, colon := bytes.CutSuffix(word, []byte{':'})
	if bytes.HasSuffix(app, []byte{']'}) {
		i := bytes.IndexByte(app, '[')
		if i < 0 || i+2 == len(app) {
			return nil, nil, false
		}
		app, proc = app[:i], app[i+1:len(app)-1]
	} else if !colon {
		return nil, nil, false
	}
	return app, proc, len(app) > 0 && !bytes.ContainsAny(app, `[]"=`) && !bytes.ContainsAny(proc, `[]"=`)
}

// wordLength returns the number of bytes before the first space.
func wordLength(b []byte) int {
	if n := bytes.IndexByte(b, ' '); n >= 0 {
		return n
	}
	return len(b)
}

// looksLikeRFC3339 reports whether a word has the shape of a time of RFC 3339; its numbers are checked when it is read.
func looksLikeRFC3339(b []byte) bool {
	return len(b) >= len("2015-05-17T10:05:03") && b[0]-'0' <= 9 && b[4] == '-' && b[7] == '-' && b[10] == 'T' && b[13] == ':' && b[16] == ':'
}

// modern reads what follows the version in RFC 5424.
func (p *syslogLine) modern(r *Fields, b []byte, at int) error {
	for slot := syslogTime; slot <= syslogMsgID; slot++ {
		n := 0
		for at+n < len(b) && b[at+n]-'!' <= '~'-'!' {
			n++
		}
		word := b[at : at+n]
		absent := n == 1 && word[0] == '-'
		if n == 0 || at+n == len(b) || b[at+n] != ' ' || slot == syslogTime && !absent && !looksLikeRFC3339(word) {
			return mismatchAt(r, expectedHead, b, at)
		}
		if !absent {
			r.Values[slot] = value.Text(word)
		}
		at += n + 1
	}
	end := p.data(r, b, at)
	if end < 0 {
		return mismatchAt(r, expectedData, b, at)
	}
	if b[at] != '-' {
		r.Values[syslogData] = value.Text(b[at:end])
	}
	switch {
	case end == len(b):
		r.Values[syslogMessage] = value.Text(b[end:])
	case b[end] == ' ':
		r.Values[syslogMessage] = value.Text(value.TrimBOM(b[end+1:]))
	default:
		return mismatchAt(r, expectedSpace, b, end)
	}
	return nil
}

// data reads structured data, and returns the index of what follows; -1 if there is none.
func (p *syslogLine) data(r *Fields, b []byte, at int) int {
	if at < len(b) && b[at] == '-' {
		return at + 1
	}
	elements := 0
	for ; at < len(b) && b[at] == '['; elements++ {
		n := sdNameLength(b[at+1:])
		if n == 0 {
			return -1
		}
		id := b[at+1 : at+1+n]
		for at += 1 + n; at < len(b) && b[at] == ' '; {
			n = sdNameLength(b[at+1:])
			name := b[at+1 : at+1+n]
			if at += 1 + n; n == 0 || len(b) < at+2 || b[at] != '=' || b[at+1] != '"' {
				return -1
			}
			text, rest, ok := quoted(b[at+2:])
			if !ok {
				return -1
			}
			p.param(r, id, name, text)
			at = len(b) - len(rest)
		}
		if at == len(b) || b[at] != ']' {
			return -1
		}
		at++
	}
	if elements == 0 {
		return -1
	}
	return at
}

// sdNameLength returns the length of the name with which b begins, of structured data or of one of its parameters.
func sdNameLength(b []byte) (n int) {
	for n < len(b) && b[n]-'!' <= '~'-'!' && b[n] != '=' && b[n] != ']' && b[n] != '"' {
		n++
	}
	return n
}

// param stores the value of a parameter if a program uses it.
func (p *syslogLine) param(r *Fields, id, name, text []byte) {
	for i := range p.params {
		slot := &r.Values[syslogSlots+i]
		if slot.Set || p.params[i].id != string(id) || p.params[i].name != string(name) {
			continue
		}
		from := len(r.Text)
		for j := 0; j < len(text); j++ {
			if text[j] == '\\' && j+1 < len(text) && (text[j+1] == '"' || text[j+1] == '\\' || text[j+1] == ']') {
				j++
			}
			r.Text = append(r.Text, text[j])
		}
		*slot = value.Text(r.Text[from:len(r.Text):len(r.Text)])
	}
}
