//go:build integration

package flume

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/sluice-etl/sluice/internal/avrobin"
	"github.com/sluice-etl/sluice/internal/etltest"
)

// sparkProtocol is SparkFlumeProtocol without its licence, and sparkHash the hash of the sink's text.
const (
	sparkProtocol = `{"protocol":"SparkFlumeProtocol","namespace":"org.apache.spark.streaming.flume.sink","types":[{"type":"record","name":"SparkSinkEvent","fields":[{"name":"headers","type":{"type":"map","values":"string"}},{"name":"body","type":"bytes"}]},{"type":"record","name":"EventBatch","fields":[{"name":"errorMsg","type":"string","default":""},{"name":"sequenceNumber","type":"string"},{"name":"events","type":{"type":"array","items":"SparkSinkEvent"}}]}],"messages":{"getEventBatch":{"request":[{"name":"n","type":"int"}],"response":"EventBatch"},"ack":{"request":[{"name":"sequenceNumber","type":"string"}],"response":"null"},"nack":{"request":[{"name":"sequenceNumber","type":"string"}],"response":"null"}}}`
	sparkHash     = "45f3c2c4aa53244ceaacda6731dedffb"
)

// poller is one hand-written connection to a SparkSink.
type poller struct {
	t      *testing.T
	conn   net.Conn
	talk   etltest.Talk
	serial uint32
	// match is the sink's reply to the handshake: 0 for BOTH, 1 for CLIENT, 2 for NONE.
	match int64
}

// polled is an EventBatch.
type polled struct {
	errorMsg, sequence string
	events             []string // body{k=v,k=v}, headers sorted
}

func poll(t *testing.T, addr string) *poller {
	t.Helper()
	var c net.Conn
	var err error
	if !etltest.Within(sparkPatience, func() bool { // an agent's source starts before its sink listens
		c, err = net.Dial("tcp", addr)
		return err == nil
	}) {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &poller{t: t, conn: c, match: -1}
}

// send sends a call without waiting for the reply.
func (p *poller) send(message string, parameter []byte) {
	p.t.Helper()
	p.serial++
	var call []byte
	if p.serial == 1 {
		own := md5.Sum([]byte(sparkProtocol))
		call = append(call, own[:]...)
		call = avrobin.AppendBytes(append(call, 2), sparkProtocol)
		server, _ := hex.DecodeString(sparkHash)
		call = append(append(call, server...), 2, 0)
	}
	call = avrobin.AppendBytes(append(call, 0), message)
	call = append(call, parameter...)
	frame := binary.BigEndian.AppendUint32(nil, p.serial)
	frame = binary.BigEndian.AppendUint32(frame, 1)
	frame = append(binary.BigEndian.AppendUint32(frame, uint32(len(call))), call...)
	p.talk.Say('>', frame)
	if _, err := p.conn.Write(frame); err != nil {
		p.t.Fatal(err)
	}
}

// receive waits for the reply, and returns it without handshake and metadata. No reply in time is an error.
func (p *poller) receive(within time.Duration) ([]byte, error) {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	raw := make([]byte, 8)
	if _, err := io.ReadFull(p.conn, raw); err != nil {
		return nil, err
	}
	if got := binary.BigEndian.Uint32(raw); got != p.serial {
		return nil, fmt.Errorf("serial %d, expected %d", got, p.serial)
	}
	var reply []byte
	for range binary.BigEndian.Uint32(raw[4:8]) {
		length := make([]byte, 4)
		if _, err := io.ReadFull(p.conn, length); err != nil {
			return nil, err
		}
		b := make([]byte, binary.BigEndian.Uint32(length))
		if _, err := io.ReadFull(p.conn, b); err != nil {
			return nil, err
		}
		raw, reply = append(append(raw, length...), b...), append(reply, b...)
	}
	p.talk.Say('<', raw)
	at := 0
	if p.match < 0 {
		var set bool
		p.match, at = avrobin.ReadLong(reply, 0)
		if set, at = avrobin.ReadOptional(reply, at); set {
			_, at = avrobin.ReadBytes(reply, at)
		}
		if set, at = avrobin.ReadOptional(reply, at); set {
			at += md5.Size
		}
		if set, at = avrobin.ReadOptional(reply, at); set {
			at = avrobin.SkipMap(reply, at)
		}
	}
	if at = avrobin.SkipMap(reply, at); at < 0 {
		return nil, fmt.Errorf("not a reply: %x", reply)
	}
	if reply[at] != 0 {
		_, at = avrobin.ReadLong(reply, at+1)
		text, _ := avrobin.ReadBytes(reply, at)
		return nil, fmt.Errorf("system error: %s", text)
	}
	return reply[at+1:], nil
}

// batch waits for the reply to getEventBatch.
func (p *poller) batch(within time.Duration) (b polled, err error) {
	p.t.Helper()
	reply, err := p.receive(within)
	if err != nil {
		return b, err
	}
	text, at := avrobin.ReadBytes(reply, 0)
	b.errorMsg = string(text)
	text, at = avrobin.ReadBytes(reply, at)
	b.sequence = string(text)
	for at >= 0 {
		var items, headers int
		if items, at = avrobin.ReadBlock(reply, at, 2); items == 0 {
			break
		}
		for range items {
			var all []string
			for {
				if headers, at = avrobin.ReadBlock(reply, at, 2); headers <= 0 {
					break
				}
				for range headers {
					var k, v []byte
					k, at = avrobin.ReadBytes(reply, at)
					v, at = avrobin.ReadBytes(reply, at)
					all = append(all, string(k)+"="+string(v))
				}
			}
			var body []byte
			body, at = avrobin.ReadBytes(reply, at)
			sort.Strings(all)
			b.events = append(b.events, string(body)+"{"+strings.Join(all, ",")+"}")
		}
	}
	if at != len(reply) {
		return b, fmt.Errorf("not an EventBatch: %x", reply)
	}
	return b, nil
}

func (p *poller) get(n int64, within time.Duration) polled {
	p.t.Helper()
	p.send("getEventBatch", avrobin.AppendLong(nil, n))
	b, err := p.batch(within)
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// settle sends ack or nack and waits for the reply.
func (p *poller) settle(message, sequence string) {
	p.t.Helper()
	p.send(message, avrobin.AppendBytes(nil, sequence))
	reply, err := p.receive(10 * time.Second)
	if err != nil || len(reply) != 0 {
		p.t.Fatalf("%s: %x, %v, expected an empty reply", message, reply, err)
	}
}

// text returns the recorded traffic with the sink's random letters replaced, so that it is the same each time.
func (p *poller) text(sequence string) string {
	letters := hex.EncodeToString([]byte(sequence[:8]))
	return string(bytes.ReplaceAll([]byte(p.talk.Text()), []byte(letters), []byte(hex.EncodeToString([]byte("AbCdEfGh")))))
}
