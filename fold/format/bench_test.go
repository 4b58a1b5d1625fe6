package format

import (
	"bytes"
	"encoding/csv"
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/accesslog"
)

const benchLines = 2000

// benchRecord is a line of a generated access log, by its fields.
type benchRecord struct{ host, time, method, path, status, size, referer, agent string }

var benchCombined = regexp.MustCompile(`^(\S+) \S+ \S.* \[([^]]+)\] "([A-Z]+) ([^\s"\\]+) HTTP/[0-9.]+" (\d{3}) (\d+|-) "([^"\\]*)" "([^"\\]*)"$`)

// benchRecords returns generated lines that have all fields, without escapes.
func benchRecords() (records []benchRecord) {
	rng := accesslog.New(42)
	for n := 0; len(records) < benchLines; n++ {
		if m := benchCombined.FindStringSubmatch(string(accesslog.Append(nil, rng, n))); m != nil {
			records = append(records, benchRecord{m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8]})
		}
	}
	return records
}

// benchFormats is a line of each format with the fields of a record. status and agent are names of its columns.
var benchFormats = []struct {
	name, definition, status, agent string
	line                            func(r benchRecord) string
	// reference finds status and agent in a line by the standard library.
	reference func(line string) (status, agent string)
}{
	{"logfmt", "", "status", "agent", func(r benchRecord) string {
		return "time=" + r.time[:20] + " level=info host=" + r.host + " method=" + r.method + ` path="` + r.path + `" status=` + r.status + " bytes=" + r.size + ` referer="` + r.referer + `" agent="` + r.agent + `"`
	}, func(line string) (status, agent string) {
		fields, _, _ := referenceLogfmt([]byte(line))
		return fields["status"], fields["agent"]
	}},
	{"ltsv", "", "status", "ua", func(r benchRecord) string {
		return "time:[" + r.time + "]\thost:" + r.host + "\tmethod:" + r.method + "\turi:" + r.path + "\tstatus:" + r.status + "\tsize:" + r.size + "\treferer:" + r.referer + "\tua:" + r.agent
	}, func(line string) (status, agent string) {
		fields := map[string]string{}
		for field := range strings.SplitSeq(line, "\t") {
			label, text, _ := strings.Cut(field, ":")
			fields[label] = text
		}
		return fields["status"], fields["ua"]
	}},
	{"csv", "time,host,method,uri,status,size,referer,agent", "status", "agent", func(r benchRecord) string {
		return r.time + "," + r.host + "," + r.method + `,"` + r.path + `",` + r.status + "," + r.size + `,"` + r.referer + `","` + r.agent + `"`
	}, func(line string) (status, agent string) {
		fields, _ := csv.NewReader(strings.NewReader(line)).Read()
		return fields[4], fields[7]
	}},
	{"tsv", "time,host,method,uri,status,size,referer,agent", "status", "agent", func(r benchRecord) string {
		return strings.Join([]string{r.time, r.host, r.method, r.path, r.status, r.size, r.referer, r.agent}, "\t")
	}, func(line string) (status, agent string) {
		fields := strings.Split(line, "\t")
		return fields[4], fields[7]
	}},
	{"syslog", "", "severity", "message", func(r benchRecord) string {
		return "<190>1 2015-05-17T10:05:03.003Z web1 nginx 77 access [req@32473 status=\"" + r.status + "\"] " + r.agent
	}, func(line string) (status, agent string) {
		m := referenceSyslog.FindStringSubmatch(line)
		return "", m[8]
	}},
	{"grok", `%{IPORHOST:host} %{DATA} "%{DATA}" %{NONNEGINT:status} %{NOTSPACE} %{QS} "%{DATA:agent}"`, "status", "agent", benchRecord.combined, func(line string) (status, agent string) {
		m := benchCombined.FindStringSubmatch(line)
		return m[5], m[8]
	}},
	{"regex", combinedRegex, "status", "agent", benchRecord.combined, func(line string) (status, agent string) {
		m := benchCombined.FindStringSubmatch(line)
		return m[5], m[8]
	}},
}

func (r benchRecord) combined() string {
	return r.host + " - - [" + r.time + `] "` + r.method + " " + r.path + ` HTTP/1.1" ` + r.status + " " + r.size + ` "` + r.referer + `" "` + r.agent + `"`
}

// BenchmarkFormats reads status and agent of lines of an access log in each format: with the format's parser, with the
// standard library, and, as a lower bound of the work, by reading each byte once. The first two must yield the same
// bytes.
func BenchmarkFormats(b *testing.B) {
	records := benchRecords()
	for _, f := range benchFormats {
		var lines [][]byte
		size := 0
		want := 0
		for _, r := range records {
			line := f.line(r)
			status, agent := f.reference(line)
			if status != r.status && f.name != "syslog" { // its severity is a number
				b.Fatalf("%s: the reference reads the status %q of %q, expected %q", f.name, status, line, r.status)
			}
			want += len(status) + len(agent)
			lines, size = append(lines, []byte(line)), size+len(line)
		}
		perLine := func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchLines, "ns/line")
		}
		b.Run(f.name+"/parser", func(b *testing.B) {
			r := newReader(b, f.name, f.definition, f.status, f.agent)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				for _, line := range lines {
					r.fields.Text = r.fields.Text[:0]
					if more, err := r.parser.Start(line, &r.fields); !more || err != nil {
						b.Fatalf("%q: %v", line, err)
					}
					for _, c := range r.columns {
						got += len(r.fields.Values[c.Slot].Bytes)
					}
				}
				if got != want {
					b.Fatalf("got %d bytes, expected %d", got, want)
				}
			}
			perLine(b)
		})
		b.Run(f.name+"/reference", func(b *testing.B) {
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				for _, line := range lines {
					status, agent := f.reference(string(line))
					got += len(status) + len(agent)
				}
				if got != want {
					b.Fatalf("got %d bytes, expected %d", got, want)
				}
			}
			perLine(b)
		})
		b.Run(f.name+"/ceiling", func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				n := 0
				for _, line := range lines {
					if bytes.IndexByte(line, '\n') < 0 {
						n++
					}
				}
				if n != benchLines {
					b.Fatalf("%d lines without a line ending, expected %d", n, benchLines)
				}
			}
			perLine(b)
		})
	}
}

// BenchmarkFirstOf reads host and agent of lines of an access log by the format combined alone, as the first of a list,
// and behind formats that do not accept them.
func BenchmarkFirstOf(b *testing.B) {
	records := benchRecords()
	for _, f := range []struct{ name, host, agent string }{
		{"combined", "host", "agent"},
		{"first-of(combined,json,raw)", "combined/host", "combined/agent"},
		{"first-of(json,logfmt,syslog,combined)", "combined/host", "combined/agent"},
	} {
		b.Run(f.name, func(b *testing.B) {
			r := newReader(b, f.name, "", f.host, f.agent)
			var lines [][]byte
			want := 0
			for _, record := range records {
				want += len(record.host) + len(record.agent)
				lines = append(lines, []byte(record.combined()))
			}
			b.ReportAllocs()
			for b.Loop() {
				got := 0
				for _, line := range lines {
					if more, err := r.parser.Start(line, &r.fields); !more || err != nil {
						b.Fatalf("%q: %v", line, err)
					}
					for _, c := range r.columns {
						got += len(r.fields.Values[c.Slot].Bytes)
					}
				}
				if got != want {
					b.Fatalf("got %d bytes, expected %d", got, want)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchLines, "ns/line")
		})
	}
}
