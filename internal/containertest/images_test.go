package containertest

import (
	"slices"
	"testing"
)

func TestImages(t *testing.T) {
	for text, want := range map[string][]string{
		"":                       {"a:1", "b:2"},
		" , ":                    {"a:1", "b:2"},
		"here/mysql:8":           {"here/mysql:8"},
		" x:1, reg:5000/y@z , ,": {"x:1", "reg:5000/y@z"},
	} {
		t.Setenv("ETL_TEST_OF_IMAGES", text)
		if got := images("ETL_TEST_OF_IMAGES", "a:1,b:2"); !slices.Equal(got, want) {
			t.Errorf("%q: got %q, expected %q", text, got, want)
		}
	}
}

// A pull that testcontainers would retry for 15 minutes ends after a few attempts, with the reason of the last one.
func TestPulling_stopsAfterAFewAttempts(t *testing.T) {
	t.Parallel()
	stopped := 0
	p := &pulling{stop: func() { stopped++ }}
	p.Printf("No image auth found for %s", "somewhere")
	for i := range pullTries {
		if stopped != 0 {
			t.Fatalf("stopped after %d tries", i)
		}
		p.Printf("Failed to pull image: %s, will retry", "no such host")
	}
	if stopped != 1 || p.last != "no such host" {
		t.Errorf("stopped %d times, reason %q; expected 1 and %q", stopped, p.last, "no such host")
	}
}
