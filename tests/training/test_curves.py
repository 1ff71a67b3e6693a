import csv
import struct
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from nucloop.errors import NucLoopError
from nucloop.training.curves import CurveWriter, masked_checksum
from nucloop.training.loop import TrainingProgress


def event_type():
    """TensorBoard's message, as much of it as a curve needs, read by the library that made the format."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="event.proto", package="t", syntax="proto2")
    value = file.message_type.add(name="Value")
    value.field.add(name="tag", number=1, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    value.field.add(name="simple_value", number=2, type=field.TYPE_FLOAT, label=field.LABEL_OPTIONAL)
    summary = file.message_type.add(name="Summary")
    summary.field.add(name="value", number=1, type=field.TYPE_MESSAGE, type_name=".t.Value", label=field.LABEL_REPEATED)
    event = file.message_type.add(name="Event")
    event.field.add(name="wall_time", number=1, type=field.TYPE_DOUBLE, label=field.LABEL_OPTIONAL)
    event.field.add(name="step", number=2, type=field.TYPE_INT64, label=field.LABEL_OPTIONAL)
    event.field.add(name="file_version", number=3, type=field.TYPE_STRING, label=field.LABEL_OPTIONAL)
    event.field.add(
        name="summary", number=5, type=field.TYPE_MESSAGE, type_name=".t.Summary", label=field.LABEL_OPTIONAL
    )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("t.Event"))


def events_of(path: Path) -> list:
    data, found, kind = path.read_bytes(), [], event_type()
    while data:
        (length,) = struct.unpack("<Q", data[:8])
        message = data[12 : 12 + length]
        checks = struct.unpack("<I", data[8:12]) + struct.unpack("<I", data[12 + length : 16 + length])
        assert checks == (masked_checksum(data[:8]), masked_checksum(message))
        found.append(kind.FromString(message))
        data = data[16 + length :]
    return found


def write(out: Path, steps: range, **options) -> None:
    with CurveWriter(out, **options) as curve:
        for step in steps:
            curve.add(TrainingProgress(step, 300, 1 / step))


def test_the_checksum_is_the_one_of_the_standard():
    # the check value of CRC-32C, RFC 3720
    unmasked = (masked_checksum(b"123456789") - 0xA282EAD8) & 0xFFFFFFFF
    assert ((unmasked << 15) | (unmasked >> 17)) & 0xFFFFFFFF == 0xE3069283


def test_every_tenth_step_the_first_and_the_last_are_lines(tmp_path):
    write(tmp_path / "net.safetensors", range(1, 301))
    rows = list(csv.DictReader((tmp_path / "net.curve.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows] == [1, *range(10, 301, 10)]
    assert float(rows[3]["loss"]) == pytest.approx(1 / 30, rel=1e-4)


def test_tensorboard_reads_the_same_curve(tmp_path):
    write(tmp_path / "net.safetensors", range(1, 301), tensorboard=tmp_path / "board")
    (path,) = (tmp_path / "board" / "net").iterdir()
    assert path.name.startswith("events.out.tfevents.")
    head, *events = events_of(path)
    assert head.file_version == "brain.Event:2"
    assert [event.step for event in events] == [1, *range(10, 301, 10)]
    assert {event.summary.value[0].tag for event in events} == {"loss"}
    assert events[-1].summary.value[0].simple_value == pytest.approx(1 / 300)


def test_a_run_that_goes_on_adds_to_its_curve_and_a_new_one_begins_anew(tmp_path):
    out = tmp_path / "net.safetensors"
    write(out, range(1, 101))
    write(out, range(101, 121), goes_on=True)
    assert len((tmp_path / "net.curve.csv").read_text().splitlines()) == 1 + 1 + 10 + 2
    write(out, range(1, 11))
    assert len((tmp_path / "net.curve.csv").read_text().splitlines()) == 1 + 2


def test_a_folder_that_cannot_be_written_says_what_to_do(tmp_path):
    (tmp_path / "board").write_text("a file")
    with (
        pytest.raises(NucLoopError, match="Choose another folder"),
        CurveWriter(tmp_path / "net.safetensors", tmp_path / "board"),
    ):
        pass
