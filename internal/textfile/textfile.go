// Package textfile reads small text files that people write: secrets, certificates, configuration. Editors put byte order
// marks and line ends into them that are no part of what was meant.
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
