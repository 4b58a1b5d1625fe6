package value

import (
	"fmt"
	"strconv"
	"strings"
)

// Fault records why a record cannot be evaluated. Its zero value is no failure. It is unsafe for concurrent use.
type Fault struct {
	// Reason is empty until the record fails. It is the same text for all records that fail alike, so that dead letters
	// can be grouped by it.
	Reason string
	// Detail says what is particular to this failure, without the record's text.
	Detail string
	// Explain makes reasons contain the record's text: for a query's constants, and for dry runs on the user's own files.
	Explain bool
}

// Fail makes the record a dead letter and returns NULL. The first failure stays. Arguments that belong to the record
// ([RecordText], [RecordNumber]) are left out of the reason, where … stands in their place, and are described in
// the detail.
func (f *Fault) Fail(format string, args ...any) Value {
	if f.Reason != "" {
		return Null
	}
	if f.Explain {
		f.Reason = fmt.Sprintf(format, args...)
		return Null
	}
	var details []string
	for i, a := range args {
		switch a := a.(type) {
		case RecordText:
			details = append(details, a.description)
		case recordNumber:
			details = append(details, fmt.Sprint(a.n))
		default:
			continue
		}
		args[i] = omitted{}
	}
	f.Reason = strings.TrimSuffix(fmt.Sprintf(format, args...), ": …")
	f.Detail = strings.Join(details, ", ")
	return Null
}

// RecordText is text of a record, and what is shown in its place if the record's text must not appear.
type RecordText struct{ text, description string }

// String returns the text, for a Fault with Explain.
func (t RecordText) String() string { return t.text }

// recordNumber is a number that differs from record to record.
type recordNumber struct{ n any }

// Format implements fmt.Formatter.
func (n recordNumber) Format(f fmt.State, verb rune) {
	fmt.Fprintf(f, fmt.FormatString(f, verb), n.n)
}

// RecordNumber marks a number that differs from record to record.
func RecordNumber(n any) fmt.Formatter { return recordNumber{n} }

// omitted stands in a reason for an argument that belongs to the record, whatever the verb is.
type omitted struct{}

// Format implements fmt.Formatter.
func (omitted) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("…")) }

// Quote shows text of a record: at most 64 bytes of it.
func Quote(b []byte) RecordText {
	description := fmt.Sprintf("the text has %d bytes", len(b))
	if len(b) > 64 {
		return RecordText{fmt.Sprintf("%.64q… (%d bytes)", b, len(b)), description}
	}
	return RecordText{fmt.Sprintf("%q", b), description}
}

// RecordTime shows a time of a record, which the detail contains, too.
func RecordTime(micros int64) RecordText {
	text := string(AppendTime(nil, micros, 6))
	return RecordText{text, text}
}

// Show shows a value of a record.
func Show(v Value, k Kind) RecordText {
	text := ""
	switch k {
	case KindInt, KindDecimal:
		text = string(v.Number.AppendText(nil, int(v.Scale)))
	case KindDouble:
		text = strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case KindTime:
		return RecordText{string(AppendTime(nil, v.Micros(), 6)), "a time"}
	default:
		return Quote(v.Bytes)
	}
	return RecordText{text, fmt.Sprintf("the number has %d characters", len(text))}
}
