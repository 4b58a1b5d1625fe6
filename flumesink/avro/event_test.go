package avro

import (
	"testing"

	"github.com/sluice-etl/sluice/flumesink"
)

func testDecoder() *decoder {
	cfg := DefaultConfig()
	return &decoder{cfg: &cfg, charge: func(int) error { return nil }}
}

func mustDecode(tb testing.TB, frame []byte) []flumesink.Event {
	tb.Helper()
	d := testDecoder()
	if err := d.batch(frame); err != nil {
		tb.Fatal(err)
	}
	return d.events
}
