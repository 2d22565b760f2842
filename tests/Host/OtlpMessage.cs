using System.Buffers.Binary;
using System.Text;

namespace PdEngine.Tests;

/// <summary>As much of OpenTelemetry's protobuf messages as the tests look at.</summary>
internal static class OtlpMessage
{
    public static void ReadSpans(byte[] message, Action<OtlpSpan> add, Action<string> addResource)
    {
        foreach (byte[] resource in Messages(message, 1))
        {
            addResource(NameOf(resource));
            foreach (byte[] span in Messages(resource, 2).SelectMany(scope => Messages(scope, 2)))
            {
                add(new(
                    Convert.ToHexStringLower(One(span, 1)), Convert.ToHexStringLower(One(span, 2)),
                    Convert.ToHexStringLower(One(span, 4)), Encoding.UTF8.GetString(One(span, 5)),
                    Fixed(span, 7), Fixed(span, 8), Attributes(span, 9)));
            }
        }
    }

    public static void ReadMetrics(byte[] message, Action<OtlpMetric> add, Action<string> addResource)
    {
        foreach (byte[] resource in Messages(message, 1))
        {
            addResource(NameOf(resource));
            foreach (byte[] metric in Messages(resource, 2).SelectMany(scope => Messages(scope, 2)))
            {
                string name = Encoding.UTF8.GetString(One(metric, 1));
                foreach (byte[] point in Messages(metric, 5).Concat(Messages(metric, 7))
                    .SelectMany(kind => Messages(kind, 1)))
                {
                    double value = Fields(point).Any(field => field.Number == 4)
                        ? BitConverter.UInt64BitsToDouble(Fixed(point, 4))
                        : (long)Fixed(point, 6);
                    add(new(name, value, [], Attributes(point, 7)));
                }
                foreach (byte[] point in Messages(metric, 9).SelectMany(kind => Messages(kind, 1)))
                {
                    double[] bounds = [.. One(point, 7).Chunk(8).Select(
                        bytes => BinaryPrimitives.ReadDoubleLittleEndian(bytes))];
                    add(new(name, Fixed(point, 4), bounds, Attributes(point, 9)));
                }
            }
        }
    }

    private static string NameOf(byte[] resource) =>
        $"{Attributes(One(resource, 1), 1).GetValueOrDefault("service.name")}";

    private static Dictionary<string, object?> Attributes(byte[] message, int field) =>
        Messages(message, field).ToDictionary(
            pair => Encoding.UTF8.GetString(One(pair, 1)), pair => Value(One(pair, 2)));

    private static object? Value(byte[] any)
    {
        (int number, ulong value, byte[] bytes) = Fields(any).FirstOrDefault();
        return number switch
        {
            1 => Encoding.UTF8.GetString(bytes),
            2 => value != 0,
            3 => (long)value,
            4 => BitConverter.UInt64BitsToDouble(value),
            5 => Messages(bytes, 1).Select(Value).ToArray(),
            _ => null,
        };
    }

    private static byte[] One(byte[] message, int field) =>
        Messages(message, field).FirstOrDefault([]);

    private static IEnumerable<byte[]> Messages(byte[] message, int field) =>
        Fields(message).Where(one => one.Number == field).Select(one => one.Bytes);

    private static ulong Fixed(byte[] message, int field) =>
        Fields(message).FirstOrDefault(one => one.Number == field).Value;

    private static List<(int Number, ulong Value, byte[] Bytes)> Fields(byte[] message)
    {
        List<(int, ulong, byte[])> fields = [];
        int at = 0;
        while (at < message.Length)
        {
            ulong key = Varint();
            int number = (int)(key >> 3);
            switch (key & 7)
            {
                case 0:
                    fields.Add((number, Varint(), []));
                    break;
                case 1:
                    fields.Add((number, BinaryPrimitives.ReadUInt64LittleEndian(Take(8)), []));
                    break;
                case 2:
                    fields.Add((number, 0, Take((int)Varint())));
                    break;
                default:
                    fields.Add((number, BinaryPrimitives.ReadUInt32LittleEndian(Take(4)), []));
                    break;
            }
        }
        return fields;

        ulong Varint()
        {
            ulong value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte part = message[at++];
                value |= (ulong)(part & 0x7F) << shift;
                if (part < 0x80)
                    return value;
            }
        }

        byte[] Take(int count) => message[at..(at += count)];
    }
}
