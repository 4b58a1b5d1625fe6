// Package flumethrift is Flume's appendBatch as Apache's library reads and writes it: what its compiler would make of
// flume.thrift that a client needs. The compiler's own code would make maps of headers, which lose names
// that come twice, and strings, which are copies.
package flumethrift

import (
	"context"
	"errors"

	"github.com/apache/thrift/lib/go/thrift"

	"github.com/sluice-etl/sluice/receiver"
)

// AppendBatch is the method's name.
const AppendBatch = "appendBatch"

// StatusOK is flume.thrift's Status OK. Flume's Thrift numbers are not its Avro ones.
const StatusOK = 0

// BatchArgs is the arguments of appendBatch; a client only writes them.
type BatchArgs struct{ Events []receiver.Event }

// Write implements thrift.TStruct.
func (a *BatchArgs) Write(ctx context.Context, p thrift.TProtocol) error {
	err := errors.Join(
		p.WriteStructBegin(ctx, "appendBatch_args"), p.WriteFieldBegin(ctx, "events", thrift.LIST, 1),
		p.WriteListBegin(ctx, thrift.STRUCT, len(a.Events)))
	for i := 0; i < len(a.Events) && err == nil; i++ {
		err = writeEvent(ctx, p, &a.Events[i])
	}
	if err != nil {
		return err
	}
	return errors.Join(p.WriteListEnd(ctx), p.WriteFieldEnd(ctx), p.WriteFieldStop(ctx), p.WriteStructEnd(ctx))
}

// Read is not implemented: a client only writes arguments.
func (a *BatchArgs) Read(context.Context, thrift.TProtocol) error {
	panic("BUG: arguments are read by the receiver's own decoder")
}

// writeEvent writes ThriftFlumeEvent.
func writeEvent(ctx context.Context, p thrift.TProtocol, e *receiver.Event) error {
	err := errors.Join(
		p.WriteStructBegin(ctx, "ThriftFlumeEvent"), p.WriteFieldBegin(ctx, "headers", thrift.MAP, 1),
		p.WriteMapBegin(ctx, thrift.STRING, thrift.STRING, len(e.Headers)))
	for i := 0; i < len(e.Headers) && err == nil; i++ {
		err = errors.Join(p.WriteBinary(ctx, e.Headers[i].Key), p.WriteBinary(ctx, e.Headers[i].Value))
	}
	if err != nil {
		return err
	}
	return errors.Join(
		p.WriteMapEnd(ctx), p.WriteFieldEnd(ctx), p.WriteFieldBegin(ctx, "body", thrift.STRING, 2), p.WriteBinary(ctx, e.Body),
		p.WriteFieldEnd(ctx), p.WriteFieldStop(ctx), p.WriteStructEnd(ctx))
}

// BatchResult is the result of appendBatch: field 0, a Status; a client only reads it.
type BatchResult struct{ Status int32 }

// Write is not implemented: a client only reads results.
func (r *BatchResult) Write(context.Context, thrift.TProtocol) error {
	panic("BUG: results are written by the receiver's own code")
}

// Read implements thrift.TStruct.
func (r *BatchResult) Read(ctx context.Context, p thrift.TProtocol) error {
	if _, err := p.ReadStructBegin(ctx); err != nil {
		return err
	}
	for {
		_, typ, id, err := p.ReadFieldBegin(ctx)
		switch {
		case err != nil:
			return err
		case typ == thrift.STOP:
			return p.ReadStructEnd(ctx)
		case id == 0 && typ == thrift.I32:
			r.Status, err = p.ReadI32(ctx)
		default:
			err = p.Skip(ctx, typ)
		}
		if err != nil {
			return err
		}
		if err := p.ReadFieldEnd(ctx); err != nil {
			return err
		}
	}
}
