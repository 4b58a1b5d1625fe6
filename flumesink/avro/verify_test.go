package avro

import (
	"crypto/md5"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/flumeavro"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// expanding returns a protocol whose last of n records would have 2^n fields if references were expanded.
func expanding(n int, message string) string {
	types := []string{`{"type":"record","name":"Q0","fields":[{"name":"a","type":"int"}]}`}
	for i := 1; i <= n; i++ {
		types = append(types, fmt.Sprintf(`{"type":"record","name":"Q%d","fields":[{"name":"a","type":"Q%d"},{"name":"b","type":"Q%d"}]}`, i, i-1, i-1))
	}
	return `{"protocol":"X","namespace":"x","types":[` + strings.Join(types, ",") + `],"messages":{"append":{"request":[{"name":"e","type":"` +
		message + `"}],"response":"int"}}}`
}

// hostileProtocols returns small texts that would be large, deep or infinite if they were resolved.
func hostileProtocols() map[string]string {
	around := func(before, inner, after string) string {
		return `{"protocol":"X","types":[` + before + inner + after + `],"messages":{"append":{"request":[{"name":"e","type":"R"}],"response":"int"}}}`
	}
	record := `{"type":"record","name":"R","fields":[{"name":"headers","type":`
	return map[string]string{
		"references that double":       expanding(15, "Q0"),
		"references that double, used": expanding(15, "Q15"),
		"a thousand of them":           expanding(200, "Q200"),
		"a record of itself":           around(record, `"R"`, `}]}`),
		"an array of itself":           around(record, `{"type":"array","items":"R"}`, `}]}`),
		"a union of many":              around(record, "["+strings.Repeat(`"null",`, 10_000)+`"R"]`, `}]}`),
		"many symbols":                 around(`{"type":"enum","name":"R","symbols":[`, strings.Repeat(`"A",`, 10_000), `"B"]}`),
		"many aliases":                 around(`{"type":"fixed","name":"R","size":1,"aliases":[`, strings.Repeat(`"A",`, 10_000), `"B"]}`),
		"many properties":              around(`{"type":"int",`, strings.Repeat(`"p":1,`, 9_000), `"q":1}`),
		"a large default":              around(record, `"int","default":[`+strings.Repeat(`{},`, 10_000)+`{}]`, `}]}`),
		"a large doc":                  around(`{"type":"int","doc":"`, strings.Repeat("x", 60_000), `"}`),
		"a huge doc":                   around(`{"type":"int","doc":"`, strings.Repeat("x", 1<<20), `"}`),
		"deep arrays":                  around("", strings.Repeat("[", 30_000)+strings.Repeat("]", 30_000), ""),
		"deep items":                   around("", strings.Repeat(`{"type":"array","items":`, 2_000)+`"int"`+strings.Repeat("}", 2_000), ""),
		"deep and never closed":        strings.Repeat(`{"a":`, 12_000),
		"many messages":                `{"messages":{` + strings.Repeat(`"a":{},`, 9_000) + `"b":{}}}`,
		"many messages of ours":        `{"messages":{` + strings.Repeat(`"append":{},`, 5_000) + `"b":{}}}`,
	}
}

// The cost of one sender's protocol is bounded, and at most what was charged for it.
func TestVerifyProtocol_costIsBounded(t *testing.T) {
	for name, text := range hostileProtocols() {
		t.Run(name, func(t *testing.T) {
			d := testDecoder(t)
			p, b := newProtocols(), []byte(text)
			before := d.budget.Used()
			var from, to runtime.MemStats
			runtime.ReadMemStats(&from)
			wrong, err := p.learn(d.Frame, md5.Sum(b), b)
			runtime.ReadMemStats(&to)
			if wrong == nil || err != nil {
				t.Errorf("%v, error %v: expected it rejected", wrong, err)
			}
			charged, allocated := d.budget.Used()-before, int64(to.TotalAlloc-from.TotalAlloc)
			if allocated > charged+64<<10 {
				t.Errorf("%d bytes allocated, %d were charged, expected at most %v", allocated, charged, charged+64<<10)
			}
			if charged > 1<<20 {
				t.Errorf("%d bytes charged, expected at most 1 MiB", charged)
			}
			if len(p.known) != 1 {
				t.Errorf("%d protocols known, expected only our own", len(p.known))
			}
		})
	}
}

// Senders of hostile protocols are rejected, once for each connection, and good senders get their replies meanwhile.
func TestReceiver_hostileProtocols(t *testing.T) {
	t.Parallel()
	g := start(t, &kafka{}, nil)
	own := g.r.protocols.own
	n := 0
	for _, text := range hostileProtocols() {
		sum := md5.Sum([]byte(text))
		head := append(avrobin.AppendBytes(append(sum[:], 2), text), own[:]...)
		c := g.Dial()
		c.Send(frameOf(1, append(head, 0), callHead(false), flumeavro.AppendEvents(nil, receivertest.Events("a"))))
		g.Until("it is rejected", func() bool { return g.Metric("etl_receiver_refused_total", reasonProtocol) == float64(n+1) })
		n++
		good := g.Dial()
		good.Send(firstCall(1, []receiver.Event{{Body: []byte("good")}}))
		good.Expect(okFirst(1))
	}
	g.Until("memory is given back", func() bool { return g.Admission.Used() == 0 })
}
