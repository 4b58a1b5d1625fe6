package format

import (
	"strings"
	"testing"

	"github.com/sluice-etl/sluice/fold/jsonpath"
	"github.com/sluice-etl/sluice/fold/value"
)

// A body that is neither an object nor an object on each line is described as a whole.
func TestJSON_reasonIsOfTheWholeBody(t *testing.T) {
	t.Parallel()
	testBodies(t, "json", "", []bodyCase{
		{"a", "{\"a\":\n1", "!" + expectedObject + " (7 bytes are not one JSON value)"},
		{"a", "12\n34", "!" + expectedObject + " (5 bytes are not one JSON value)"},
		{"a", " [1]", "!" + expectedObject + " (the value is of type array)"},
		{"a", "\"x\"", "!" + expectedObject + " (the value is of type string)"},
		{"a", "", "!" + expectedObject + " (0 bytes are not one JSON value)"},
	})
}

func TestJSON_memoryOfALargeTextIsReleased(t *testing.T) {
	t.Parallel()
	parser, _ := (&jsonFormat{fields: []jsonField{{path: []jsonpath.Step{{Name: "a"}}}}}).NewParser()
	p := parser.(*jsonParser)
	read := func(body string) {
		if _, err := p.Start([]byte(body), &Fields{Values: make([]value.Value, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	large := `{"a":1,"b":["\\n",` + strings.Repeat("0,", manyValues) + `0]}`
	bytesOf := func(body string) int64 {
		return testing.Benchmark(func(b *testing.B) {
			for range b.N {
				read(body)
			}
		}).AllocedBytesPerOp()
	}
	read(large)
	if !p.large {
		t.Error("the tree of a large text is kept")
	}
	read(`{"a":1}`)
	if p.large {
		t.Error("a small text after it holds the large one's tree")
	}
	if n := bytesOf(`{"a":1}`); n > 1000 {
		t.Errorf("%d bytes a small text, expected at most 1000", n)
	}
}

// The bound considers only characters outside of strings.
func TestHasManyValues(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		text := "[" + strings.Repeat(`"\\",`, n) + `"\"[{,"]`
		for most := range 50 {
			if got, want := hasManyValues([]byte(text), most), n+2 > most && len(text) > most; got != want {
				t.Errorf("%d values, %d may be: %v, expected %v", n+2, most, got, want)
			}
		}
	}
}
