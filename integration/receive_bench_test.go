//go:build integration

package integration

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/sluice-etl/sluice/flumesink/avro"
	"github.com/sluice-etl/sluice/internal/accesslog"
	"github.com/sluice-etl/sluice/internal/app"
	"github.com/sluice-etl/sluice/kafkaio"
	"github.com/sluice-etl/sluice/receiver"
	"github.com/sluice-etl/sluice/status"
)

// BenchmarkReceive measures events from the socket to Kafka's ack and the reply OK, over four connections with one
// request in flight each. The ceiling is the same bytes passed directly to Kafka's client by four goroutines with one
// batch in flight each. The broker stores nothing, and runs in this process for both.
func BenchmarkReceive(b *testing.B) {
	for _, events := range []int{100, 1000} {
		bodies := make([][]byte, events)
		for i := range bodies {
			bodies[i] = padded(i, 500)
		}
		b.Run(fmt.Sprintf("etl-%d", events), func(b *testing.B) { benchmarkETL(b, bodies) })
		b.Run(fmt.Sprintf("ceiling-%d", events), func(b *testing.B) { benchmarkProduce(b, bodies) })
	}
}

// padded returns length bytes of access-log lines.
func padded(seed, length int) []byte {
	rng := accesslog.New(uint64(seed))
	var line []byte
	for len(line) < length {
		line = accesslog.Append(line, rng, seed)
	}
	return line[:length]
}

func blackhole(b *testing.B) string {
	b.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.BlackholeProduce(), kfake.SeedTopics(8, topic))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

func benchmarkETL(b *testing.B, bodies [][]byte) {
	broker := blackhole(b)
	cfg := app.Config{
		Receive: true, ShutdownTimeout: 5 * time.Second, Kafka: kafkaio.DefaultConfig(),
		Shared: receiver.DefaultConfig(), Avro: avro.DefaultConfig(), Status: status.Config{},
	}
	cfg.Kafka.Brokers, cfg.Avro.Listen = []string{broker}, "127.0.0.1:0"
	at := make(chan app.Addresses, 1)
	cfg.Listening = func(a app.Addresses) { at <- a }
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, cfg, nil, prometheus.NewRegistry()) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	var addr app.Addresses
	select {
	case addr = <-at:
	case err := <-ended:
		b.Fatal(err)
	}
	senders := make([]*sender, connections)
	for i := range senders {
		s, err := dial(ctx, addr.Avro.String())
		if err != nil {
			b.Fatal(err)
		}
		defer s.close()
		for range 2 { // the second is the first frame without a handshake: the one that is sent again and again
			if err := s.appendBatch(bodies, nil, time.Minute); err != nil {
				b.Fatal(err)
			}
		}
		senders[i] = s
	}
	share(b, bodies, func(i int) error { return senders[i].repeat(time.Minute) })
	total(b, broker, int64(len(bodies)*(b.N+2*connections)))
}

// repeat sends the last frame again with a new serial.
func (s *sender) repeat(within time.Duration) error {
	if err := s.conn.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	s.serial++
	binary.BigEndian.PutUint32(s.frame, s.serial)
	if _, err := s.conn.Write(s.frame); err != nil {
		return err
	}
	return s.readOK()
}

func benchmarkProduce(b *testing.B, bodies [][]byte) {
	broker := blackhole(b)
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.DefaultProduceTopic(topic), kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1<<20))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	share(b, bodies, func(int) error {
		records := make([]*kgo.Record, len(bodies))
		for i, body := range bodies {
			records[i] = &kgo.Record{Value: body}
		}
		return cl.ProduceSync(b.Context(), records...).FirstErr()
	})
	total(b, broker, int64(len(bodies)*b.N))
}

// share sends b.N batches from as many goroutines as there are connections.
func share(b *testing.B, bodies [][]byte, send func(i int) error) {
	b.Helper()
	b.SetBytes(int64(len(bytes.Join(bodies, nil))))
	left := make(chan struct{}, b.N)
	for range b.N {
		left <- struct{}{}
	}
	close(left)
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range connections {
		all.Go(func() {
			for range left {
				if err := send(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N*len(bodies))/b.Elapsed().Seconds(), "events/s")
}

// total checks that Kafka has as many records as were sent.
func total(b *testing.B, broker string, want int64) {
	b.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker))
	if err != nil {
		b.Fatal(err)
	}
	defer cl.Close()
	ends, err := kadm.NewClient(cl).ListEndOffsets(b.Context(), topic)
	if err != nil {
		b.Fatal(err)
	}
	var got int64
	ends.Each(func(o kadm.ListedOffset) { got += o.Offset })
	if got != want {
		b.Errorf("Kafka has %d records, expected %d", got, want)
	}
}
