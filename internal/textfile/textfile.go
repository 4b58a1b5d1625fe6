// Package textfile reads small text files: secrets, certificates, configuration. It removes the byte order marks and line
// ends that editors add.
package textfile

import (
	"bytes"
	"os"
	"strings"
)

// BOM is the byte order mark of UTF-8, which some editors write in front of a text.
const BOM = "\xef\xbb\xbf"

// Read returns the contents of a file without a byte order mark in front. Its error names the file.
func Read(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	return bytes.TrimPrefix(text, []byte(BOM)), err
}

// Secret returns the contents of a file without a byte order mark and without one line end (LF or CRLF).
func Secret(path string) (string, error) {
	text, err := Read(path)
	return strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r"), err
}
