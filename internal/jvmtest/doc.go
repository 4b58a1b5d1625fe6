// Package jvmtest gives tests a real Apache Kafka and real Apache Flume agents, as local JVM processes on random ports
// of 127.0.0.1, each in a temporary folder.
//
// [StartBroker] starts Kafka in KRaft mode, broker and controller in one process, [StartSecuredBroker] one with users and
// an authorizer; [StartAgent] a Flume agent with the
// properties that it is given. Both can be killed and started again on the same ports and data. A process never
// outlives the one that started it, not even through SIGKILL: a small shell holds the other end of a pipe, and when
// that pipe closes it kills the JVM.
//
// An agent of [FlumeSpark] has Spark's sink in its newest version, 2.4.8 for Scala 2.12 (for Scala 2.11 the newest is
// 2.4.7). It needs Avro 1.8.2 in place of Flume 1.9's 1.7.4: with that it runs, and the rest of Flume 1.9 does too, on
// Java 17 without more options; with 1.7.4 it starts and listens, and answers each getEventBatch with a system error that
// says IllegalAccessError. It also needs commons-lang3, which its own project does not name.
//
// The jars come from Maven Central, by the Maven that is installed and the settings that it has, once for each
// version: testdata/NAME-VERSION.xml is the project whose dependencies they are. They are kept in
// ${XDG_CACHE_HOME:-$HOME/.cache}/sluice/jars/NAME-VERSION, and whenever they are used each is held against the
// checksum in testdata/NAME-VERSION.sha256. No jar is ever part of this repository. After a change of a version, the
// list is made anew in the folder that the error names, by `sha256sum *.jar`, and its difference is read before it is
// committed.
//
// Where Java, Maven or Maven Central is missing, a test is skipped with a line that begins with "CANNOT RUN:", which
// scripts/test lists; with ETL_TEST_REQUIRE_JVM=1 it fails instead. A jar that is not what the list says is a failure
// at all times.
package jvmtest
