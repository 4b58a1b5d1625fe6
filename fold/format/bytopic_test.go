package format

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseByTopic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]ByTopic{
		"":                       {},
		"json":                   {Other: "json"},
		" first-of(json, raw)":   {Other: " first-of(json, raw)"},
		"first-of(a=csv('x=,'))": {Other: "first-of(a=csv('x=,'))"},
		"json,web=combined":      {Other: "json", Topics: []TopicFormat{{Topic: "web", Format: "combined"}}},
		" web = combined , json": {Other: "json", Topics: []TopicFormat{{Topic: "web", Format: "combined"}}},
		"a.B-c_1=csv('x, ''y'')('),b=first-of(tsv('=,'), json)": {Topics: []TopicFormat{
			{Topic: "a.B-c_1", Format: "csv", Text: "x, 'y')("}, {Topic: "b", Format: "first-of(tsv('=,'), json)"},
		}},
		"first-of(json,raw), web=nginx(\"a, ' b\")": {Other: "first-of(json,raw)", Topics: []TopicFormat{{Topic: "web", Format: "nginx", Text: "a, ' b"}}},
	} {
		got, err := ParseByTopic(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %+v, %v, expected %+v", text, got, err, want)
		}
	}
}

func TestParseByTopic_errors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"json,":                "an item is empty",
		"json,,web=raw":        "an item is empty",
		"json,raw":             "json and raw are both for all topics that are not named: give TOPIC=raw for one topic, or first-of(json, raw) to try both",
		"web=json,web=raw":     "topic web has two formats",
		"web=":                 "topic web: at byte 1: expected the name of a format",
		"web=json raw":         "topic web: at byte 6: expected a format, such as json or csv('time,host')",
		"web=x=json":           "topic web: at byte 7: expected a format",
		"web=csv(a)":           "topic web: at byte 5: expected the definition in quotes",
		"web=csv('a'),b=raw()": "topic b: at byte 5: expected the definition in quotes",
	} {
		if got, err := ParseByTopic(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %+v, %v, expected %q", text, got, err, want)
		}
	}
}

func TestByTopic_Of(t *testing.T) {
	t.Parallel()
	b, err := ParseByTopic("json, web=csv('a')")
	if err != nil {
		t.Fatal(err)
	}
	if format, text, own := b.Of("web"); format != "csv" || text != "a" || !own {
		t.Errorf("got %s %q %t", format, text, own)
	}
	if format, text, own := b.Of("Web"); format != "json" || text != "" || own { // names of topics are of exact case
		t.Errorf("got %s %q %t", format, text, own)
	}
}
