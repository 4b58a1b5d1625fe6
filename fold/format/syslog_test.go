package format

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

const syslogAll = "facility severity ts hostname app_name procid msgid structured_data message"

func TestSyslog_lines(t *testing.T) {
	t.Parallel()
	const none = "|NULL|NULL|"
	testBodies(t, "syslog", "", []bodyCase{
		// The examples of RFC 5424, section 6.5.
		{syslogAll, "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed for lonvick on /dev/pts/8",
			"4|2|2003-10-11 22:14:15.003000|mymachine.example.com|su|NULL|ID47|NULL|'su root' failed for lonvick on /dev/pts/8"},
		{syslogAll, "<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.",
			"20|5|2003-08-24 12:14:15.000003|192.0.2.1|myproc|8710|NULL|NULL|%% It's time to make the do-nuts."},
		{syslogAll + " structured_data/exampleSDID@32473/eventSource structured_data/examplePriority@32473/class Structured_Data/x/y",
			`<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 [exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]`,
			`20|5|2003-10-11 22:14:15.003000|mymachine.example.com|evntslog|NULL|ID47|[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]||Application|high|NULL`},
		{"structured_data/a/b structured_data/a/c message", `<0>1 - - - - - [a b="\"\\\]\n" c="" b="2"] `, `"\]\n||`},
		{"structured_data message", `<0>1 - - - - - [a][a][b c="]"] [x]`, `[a][a][b c="]"]|[x]`},
		{"ts hostname message", "<0>1 - - - - - -", "NULL|NULL|"},
		{"message", "<191>1 - - - - - -  x\r\n", " x"},
		// RFC 3164, section 5.4, and what is in files.
		{syslogAll, "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
			"4|2|2015-10-11 22:14:15.000000|mymachine|su|NULL" + none + "'su root' failed for lonvick on /dev/pts/8"},
		{syslogAll, "Feb  5 17:32:18 10.0.0.99 postfix/smtpd[771]:  a: b", "NULL|NULL|2015-02-05 17:32:18.000000|10.0.0.99|postfix/smtpd|771" + none + " a: b"},
		{"hostname app_name procid message", "<13>Feb 5 17:32:18 h systemd-logind[1] x", "h|systemd-logind|1|x"},
		{"ts hostname app_name message", "2015-05-17T10:05:03.5+02:00 h kernel: [ 1.5] usb 1-1: new", "2015-05-17 08:05:03.500000|h|kernel|[ 1.5] usb 1-1: new"},
		{"hostname app_name procid message", "<13>May 17 10:05:03 su[7]: x", "NULL|su|7|x"},
		{"hostname app_name message", "<13>May 17 10:05:03 h no tag: x", "h|NULL|no tag: x"},
		{"hostname app_name message", "<13>May 17 10:05:03 h [x]: y", "h|NULL|[x]: y"},
		{"hostname app_name message", "<13>May 17 10:05:03 h a[]: y", "h|NULL|a[]: y"},
		{"hostname app_name message", "<13>May 17 10:05:03 h http://x y", "h|NULL|http://x y"},
		{"hostname app_name message", "<13>May 17 10:05:03 2001:db8::1 app:", "2001:db8::1|app|"},
		{"hostname app_name message", "<13>May 17 10:05:03 h", "h|NULL|"},
		{"hostname message", "<13>May 17 10:05:03 h \n<13>May 17 10:05:03 i x", "h| // i|x"},
		{"ts", "<13>May 37 10:05:03 h x", "!ts … is not a time such as May 17 10:05:03 (the text has 15 bytes)"},
		{"ts", "<13>1 2015-13-17T10:05:03Z - - - - -", "!ts … is not a time such as 2015"},
		{"message", "<13>1 2015-13-17T10:05:03Z - - - - -", ""},
		{"message", "", "!the line is empty"},
		{"message", "<192>May 17 10:05:03 h x", "!" + expectedPriority},
		{"message", "<013>May 17 10:05:03 h x", "!" + expectedPriority},
		{"message", "<>May 17 10:05:03 h x", "!" + expectedPriority},
		{"message", "<13", "!" + expectedPriority},
		{"message", "<13 May 17 10:05:03 h x", "!" + expectedPriority},
		{"message", "<13>2 - - - - - -", "!" + expectedDate},
		{"message", "<13>", "!" + expectedDate},
		{"message", "su: 'su root' failed", "!" + expectedDate},
		{"message", "<13>May 17 10:05:03", "!" + expectedHost + " (at byte 20 of 19)"},
		{"message", "<13>May 17 10:05:03x h", "!" + expectedHost},
		{"message", "<13>May 17 10:05:03  h x", "!" + expectedHost},
		{"message", "<13>May 17 10:05:03 'h' x", "!" + expectedHost},
		{"message", "<13>1 2015-05-17 h a p m - x", "!" + expectedHead},
		{"message", "<13>1 - h a p -", "!" + expectedHead},
		{"message", "<13>1 - h  a p - - x", "!" + expectedHead},
		{"message", "<13>1 - hé a p m - x", "!" + expectedHead},
		{"message", "<13>1 - h a p m x", "!" + expectedData},
		{"message", "<13>1 - h a p m [] x", "!" + expectedData},
		{"message", `<13>1 - h a p m [a b="c" ] x`, "!" + expectedData},
		{"message", `<13>1 - h a p m [a b="c\"] x`, "!" + expectedData},
		{"message", `<13>1 - h a p m [a b=c] x`, "!" + expectedData},
		{"message", `<13>1 - h a p m [a b="c"]x`, "!" + expectedSpace},
		{"message", `<13>1 - h a p m -x`, "!" + expectedSpace},
	})
}

// A time without a year needs Kafka's time.
func TestSyslog_yearOfKafkasTime(t *testing.T) {
	t.Parallel()
	r := newReader(t, "syslog", "", "ts")
	const line = "Dec 31 23:59:59 h x"
	for at, want := range map[int64]string{
		time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli():   "2019-12-31 23:59:59.000000",
		time.Date(2020, 12, 31, 0, 0, 0, 0, time.UTC).UnixMilli(): "2020-12-31 23:59:59.000000",
		-1:       "!ts … has no year, and the record's timestamp in Kafka is not a time from which to infer it (the text has 15 bytes)",
		-1 << 62: "!ts … has no year, and the record's timestamp in Kafka is not a time from which to infer it (the text has 15 bytes)",
	} {
		r.fields.KafkaTime = at
		if got := r.summary(line); got != want {
			t.Errorf("at %d: got %s, expected %s", at, got, want)
		}
	}
}

var referenceSyslog = regexp.MustCompile(`^<(0|[1-9][0-9]?|1[0-8][0-9]|19[01])>1 (-|[0-9][!-~]{3}-[!-~]{2}-[!-~]{2}T[!-~]{2}:[!-~]{2}:[!-~]{2,}) ([!-~]+) ([!-~]+) ([!-~]+) ([!-~]+) (-|(?:\[[!#-<>-\\^-~]+(?: [!#-<>-\\^-~]+="(?s:[^"\\]|\\.)*")*\])+)(?: (?s:(.*)))?$`)

// Messages of RFC 5424 are read as a regular expression reads them.
func FuzzSyslog(f *testing.F) {
	for _, s := range []string{
		`<34>1 2003-10-11T22:14:15.003Z h su - ID47 [a b="\"]" c=""][d] x`, "<191>1 - - - - - -", "<34>Oct 11 22:14:15 h su[1]: x", "<0>1 - - - - - [a b=\"\\\"] x", "<1>1 - h a  m - x",
		"<34>2003-10-11T22:14:15Z h su: x", "<34>Oct 1 22:14:15 su: x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if strings.TrimSpace(line) == "" || strings.ContainsAny(line, "\r\n\ufeff") {
			return
		}
		r := newReader(t, "syslog", "", "hostname", "app_name", "procid", "msgid", "structured_data", "message")
		rows, err := r.read([]byte(line))
		m := referenceSyslog.FindStringSubmatch(line)
		if i := strings.Index(line, ">"); i > 0 && strings.HasPrefix(line[i:], ">1 ") && (err == nil) != (m != nil) {
			t.Fatalf("%q: got the error %v, expected a match: %v", line, err, m != nil)
		}
		if m == nil || err != nil {
			return
		}
		want := m[3:]
		for i := range want[:5] {
			if want[i] == "-" {
				want[i] = "NULL"
			}
		}
		if d := difference(rows, [][]string{want}); d != "" {
			t.Fatalf("%q: %s", line, d)
		}
	})
}
