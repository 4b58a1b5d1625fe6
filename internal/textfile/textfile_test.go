package textfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSecret(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secret")
	for text, want := range map[string]string{
		"pass": "pass", "pass\n": "pass", "pass\r\n": "pass", "pass\n\n": "pass\n", " pass ": " pass ",
		BOM + "pass\n": "pass", BOM + BOM + "pass": BOM + "pass", "": "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := Secret(path); err != nil || got != want {
			t.Errorf("%q: got %q, %v, expected %q", text, got, err, want)
		}
	}
	if got, err := Secret(path + ".none"); err == nil || got != "" {
		t.Errorf("a missing file: got %q, %v, expected an error", got, err)
	}
}
