package flumeavro

import (
	"strings"
	"testing"
)

// Valid protocols that a resolver handles are accepted, and the size of unrelated types does not matter.
func TestVerify_acceptsResolvableProtocols(t *testing.T) {
	t.Parallel()
	event := `{"type":"record","name":"E","fields":[{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]}`
	status := `{"type":"enum","name":"S","symbols":["OK","FAILED","UNKNOWN"]}`
	of := func(head, types, request, response string) string {
		return `{` + head + `"types":[` + types + `],"messages":{"append":{"request":[{"name":"e","type":` + request + `}],"response":` + response + `}}}`
	}
	for name, tc := range map[string]struct{ text, want string }{
		"in place":                      {of("", "", event, status), ""},
		"within another type":           {of("", `{"type":"record","name":"O","fields":[{"name":"e","type":`+event+`}]},`+status, `"E"`, `"S"`), ""},
		"in a union of another":         {of("", `{"type":"record","name":"O","fields":[{"name":"e","type":["null",`+event+`]}]},`+status, `"E"`, `"S"`), ""},
		"in another message":            {`{"messages":{"append":{"request":[{"name":"e","type":` + event + `}],"response":` + status + `},"appendBatch":{"request":[{"name":"e","type":{"type":"array","items":"E"}}],"response":"S"}}}`, ""},
		"a namespace of its own":        {of(`"namespace":"a",`, strings.Replace(event, `"E"`, `"E","namespace":"b"`, 1)+","+status, `"b.E"`, `"S"`), ""},
		"that namespace left out":       {of(`"namespace":"a",`, strings.Replace(event, `"E"`, `"E","namespace":"b"`, 1)+","+status, `"E"`, `"S"`), "events are not"},
		"a full name":                   {of(`"namespace":"a",`, strings.Replace(event, `"E"`, `"b.E"`, 1)+","+status, `"b.E"`, `"a.S"`), ""},
		"the protocol's full name":      {of(`"protocol":"a.b.P",`, event+","+status, `"a.b.E"`, `"S"`), ""},
		"an empty namespace":            {of(`"namespace":"a",`, strings.Replace(event, `"E"`, `"E","namespace":""`, 1)+","+status, `"E"`, `"a.S"`), "events are not"},
		"a type in a type":              {of("", status, `{"type":`+event+`}`, `{"type":"S"}`), ""},
		"a name that stands twice":      {of("", event+","+event+","+status, `"E"`, `"S"`), "is defined twice"},
		"a type behind a reference":     {of("", event+","+status, `"Unknown"`, `"S"`), "events are not"},
		"an alias is no name":           {of("", strings.Replace(event, `"E"`, `"E","aliases":["A"]`, 1)+","+status, `"A"`, `"S"`), "events are not"},
		"a definition in a default":     {of("", `{"type":"record","name":"O","fields":[{"name":"x","type":"int","default":`+event+`}]},`+status, `"E"`, `"S"`), "events are not"},
		"a third field":                 {of("", status, strings.Replace(event, `"bytes"}`, `"bytes"},{"name":"n","type":"int"}`, 1), `"S"`), "events are not"},
		"a nullable body":               {of("", status, strings.Replace(event, `"bytes"`, `["null","bytes"]`, 1), `"S"`), "events are not"},
		"a fixed body":                  {of("", status, strings.Replace(event, `"bytes"`, `{"type":"fixed","name":"F","size":8}`, 1), `"S"`), "events are not"},
		"names are compared with case":  {strings.Replace(of("", event+","+status, `"E"`, `"S"`), "messages", "Messages", 1), "neither append nor appendBatch"},
		"one-way":                       {strings.Replace(of("", status, event, `"S"`), `"response"`, `"one-way":true,"response"`, 1), "expected one parameter and a reply"},
		"more after the text":           {of("", event+","+status, `"E"`, `"S"`) + "{}", "invalid character"},
		"a list":                        {"[]", "it is not a JSON object"},
		"not UTF-8 in a name":           {"{\"\xff\":1}", "it has neither"},
		"the response is a status list": {of("", event+","+status, `"E"`, `["S"]`), "the response is not"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := Verify([]byte(tc.text))
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, expected %q", err, tc.want)
			}
		})
	}
}
