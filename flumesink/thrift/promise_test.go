package thrift

import (
	"context"
	"testing"

	thriftclient "github.com/sluice-etl/sluice/flumeclient/thrift"
	"github.com/sluice-etl/sluice/internal/receivertest"
	"github.com/sluice-etl/sluice/receiver"
)

// door is the receiver as the promises see it, by the compact protocol.
var door = receivertest.Door{
	Start: func(t *testing.T, a receiver.Appender, change func(*receiver.Runtime)) *receivertest.Rig {
		return start(t, a, func(_ *Config, rt *receiver.Runtime) {
			if change != nil {
				change(rt)
			}
		}).Rig
	},
	Call: func(tb testing.TB, n int, es []receiver.Event) []byte {
		return call(tb, thriftclient.Compact, int32(n), es)
	},
	OK: func(tb testing.TB, n int) []byte { return ok(tb, thriftclient.Compact, byte(n)) },
	Append: func(t *testing.T, g *receivertest.Rig) func(context.Context, []receiver.Event) error {
		return (&rig{Rig: g}).client(thriftclient.Compact).Append
	},
	HalfFrame: 8 << 10,
}

func TestP23_ackTimeoutClosesUnanswered(t *testing.T) { door.AckTimeoutClosesUnanswered(t) }
func TestP23_lateAckIsNotAnswered(t *testing.T)       { door.LateAckIsNotAnswered(t) }
func TestP23_timeoutFromTheFirstByte(t *testing.T)    { door.TimeoutFromTheFirstByte(t) }
func TestP23_nothingIsReadWhileNotReady(t *testing.T) { door.NothingIsReadWhileNotReady(t) }
func TestP23_outageLongerThanAckTimeout(t *testing.T) { door.OutageLongerThanAckTimeout(t) }
func TestP23_goneSenderIsDropped(t *testing.T)        { door.GoneSenderIsDropped(t) }
func TestP23_appenderCanAskForTheSender(t *testing.T) { door.AppenderCanAskForTheSender(t) }
func TestP23_goneConnectionsAreSweptWhileNotReady(t *testing.T) {
	door.GoneConnectionsAreSweptWhileNotReady(t)
}
func TestReceiver_slowLoris(t *testing.T)                  { door.SlowLoris(t) }
func TestReceiver_truncatedFrame(t *testing.T)             { door.TruncatedFrame(t) }
func TestP29_frameWaitsForRelease(t *testing.T)            { door.FrameWaitsForRelease(t) }
func TestP33_gracefulStop(t *testing.T)                    { door.GracefulStop(t) }
func TestP33_shutdownTimeoutClosesUnanswered(t *testing.T) { door.ShutdownTimeoutClosesUnanswered(t) }
func TestP33_stopWhileNotReady(t *testing.T)               { door.StopWhileNotReady(t) }
func TestReceiver_noAnswerAfterAnError(t *testing.T)       { door.NoAnswerAfterAnError(t) }
func TestP24_eventAboveALimitIsADeadLetter(t *testing.T)   { door.EventAboveALimitIsADeadLetter(t) }
func TestReceiver_frameAboveALimitCloses(t *testing.T)     { door.FrameAboveALimitCloses(t) }
func TestReceiver_packedBodiesAreUnpacked(t *testing.T)    { door.PackedBodiesAreUnpacked(t) }
