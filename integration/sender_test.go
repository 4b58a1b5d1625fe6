//go:build integration

package integration

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"time"
)

// sender is a minimal Flume agent: one connection with Avro RPC as Flume's Java client speaks it, one request in
// flight. It shares no code with the receiver that it tests.
type sender struct {
	conn   net.Conn
	in     *bufio.Reader
	serial uint32
	greets bool // the handshake is due
	frame  []byte
}

// flumeHash is the MD5 of Flume's protocol, the same in every Flume 1.x.
var flumeHash, _ = hex.DecodeString("86aadae2c45474c0fe93ffd0f2350a65")

func dial(ctx context.Context, addr string) (*sender, error) {
	d := net.Dialer{Timeout: 2 * time.Second}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &sender{conn: conn, in: bufio.NewReader(conn), greets: true}, nil
}

// appendBatch sends events and returns nil if the reply was OK.
func (s *sender) appendBatch(bodies [][]byte, headers map[string]string, within time.Duration) error {
	if err := s.conn.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	s.serial++
	f := binary.BigEndian.AppendUint32(s.frame[:0], s.serial)
	f = binary.BigEndian.AppendUint32(f, 1) // one buffer
	f = append(f, 0, 0, 0, 0)               // its length, filled in below
	if s.greets {
		f = append(f, flumeHash...)
		f = append(f, 0) // no protocol text
		f = append(f, flumeHash...)
		f = append(f, 2, 0) // meta: an empty map
	}
	f = append(f, 0) // call metadata: an empty map
	f = appendText(f, "appendBatch")
	f = binary.AppendVarint(f, int64(len(bodies)))
	for _, body := range bodies {
		if len(headers) > 0 {
			f = binary.AppendVarint(f, int64(len(headers)))
			for k, v := range headers {
				f = appendText(appendText(f, k), v)
			}
		}
		f = append(f, 0) // end of headers
		f = appendText(f, string(body))
	}
	f = append(f, 0) // end of the array
	binary.BigEndian.PutUint32(f[8:], uint32(len(f)-12))
	s.frame = f
	if _, err := s.conn.Write(f); err != nil {
		return err
	}
	return s.readOK()
}

func (s *sender) readOK() error {
	var head [8]byte
	if _, err := io.ReadFull(s.in, head[:]); err != nil {
		return err
	}
	if serial := binary.BigEndian.Uint32(head[:]); serial != s.serial {
		return fmt.Errorf("reply to serial %d, expected %d", serial, s.serial)
	}
	var answer []byte
	for range binary.BigEndian.Uint32(head[4:]) {
		var size [4]byte
		if _, err := io.ReadFull(s.in, size[:]); err != nil {
			return err
		}
		at := len(answer)
		answer = append(answer, make([]byte, binary.BigEndian.Uint32(size[:]))...)
		if _, err := io.ReadFull(s.in, answer[at:]); err != nil {
			return err
		}
	}
	want := "000000" // metadata, no error, status OK
	if s.greets {
		want = "00000000" + want // match BOTH, nothing else
	}
	if got := hex.EncodeToString(answer); got != want {
		return fmt.Errorf("reply %s, expected %s", got, want)
	}
	s.greets = false
	return nil
}

func (s *sender) close() { _ = s.conn.Close() }

func appendText(dst []byte, text string) []byte {
	return append(binary.AppendVarint(dst, int64(len(text))), text...)
}
