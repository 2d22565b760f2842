using System.Buffers.Binary;
using System.Text;

namespace PdEngine.Tests;

public sealed class SafetensorsFileTests
{
    private const string One = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";

    [Test]
    public void A_well_formed_file_is_read()
    {
        using SafetensorsFile file = Open(Bytes(
            "{\"__metadata__\":{\"format\":\"pt\"}," +
            "\"b\":{\"shape\":[1,2],\"data_offsets\":[4,8],\"dtype\":\"BF16\"}," +
            "\"scalar\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}," +
            "\"none\":{\"dtype\":\"F8_E4M3\",\"shape\":[3,0],\"data_offsets\":[8,8]}}   ",
            [0, 0, 0x80, 0x3F, 0x80, 0x3F, 0, 0xC0]));
        Assert.That(file.Tensors.Keys, Is.EquivalentTo(new[] { "b", "scalar", "none" }));
        float[] values = new float[2];
        file.Read(file.Tensors["b"], 0, values);
        Assert.That(values, Is.EqualTo(new[] { 1f, -2f }));
        file.Read(file.Tensors["scalar"], 0, values.AsSpan(0, 1));
        Assert.That(values[0], Is.EqualTo(1f));
    }

    private static IEnumerable<TestCaseData> Malformed()
    {
        yield return Case("seven bytes", new byte[7], "7 bytes");
        yield return Case("no bytes", [], "0 bytes");
        yield return Case("header over the limit", Prefix(100_000_001), "100000001");
        yield return Case("header of 2^64-1", Prefix(ulong.MaxValue), "claims");
        yield return Case("header over the file", [.. Prefix(50), .. new byte[49]], "truncated");
        yield return Case("no header", Bytes("", []), "'{'");
        yield return Case("leading space", Bytes(" " + One, new byte[8]), "'{'");
        yield return Case("not UTF-8", [.. Prefix(4), (byte)'{', 0xC3, 0x28, (byte)'}'], "UTF-8");
        yield return Case("not JSON", Bytes("{\"a\"", []), "valid JSON");
        yield return Case("tail after JSON", Bytes(One + "x", new byte[8]), "valid JSON");
        yield return Case(
            "lone surrogate", Bytes(One.Replace("\"a\"", "\"\\ud800\""), new byte[8]), "valid JSON");
        yield return Case("deep", Bytes("{\"a\":" + new string('[', 200), []), "object");
        yield return Case("metadata number", Bytes("{\"__metadata__\":{\"k\":1}}", []), "'k'");
        yield return Case("metadata text", Bytes("{\"__metadata__\":\"x\"}", []), "not an object");
        yield return Case(
            "metadata key twice", Bytes("{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", []), "twice");
        yield return Case(
            "metadata twice", Bytes("{\"__metadata__\":{},\"__metadata__\":{}}", []), "__metadata__ twice");
        yield return Case("tensor null", Bytes("{\"a\":null}", []), "not an object");
        yield return Case("tensor twice", Bytes(One[..^1] + "," + One[1..], new byte[8]), "'a' twice");
        yield return Changed("unknown dtype", "F32", "F33", "'F33'");
        yield return Changed("dtype number", "\"F32\"", "32", "not a string");
        yield return Changed("dtype missing", "\"dtype\":\"F32\",", "", "needs dtype");
        yield return Changed("shape missing", "\"shape\":[2],", "", "needs dtype");
        yield return Changed("offsets missing", ",\"data_offsets\":[0,8]", "", "needs dtype");
        yield return Changed("dtype twice", "\"shape\"", "\"dtype\":\"F32\",\"shape\"", "'dtype' twice");
        yield return Changed("extra key", "\"shape\"", "\"x\":1,\"shape\"", "'x'");
        yield return Changed("three offsets", "[0,8]", "[0,8,8]", "needs dtype");
        yield return Changed("negative shape", "[2]", "[-2]", "whole");
        yield return Changed("fraction", "[2]", "[2.0]", "whole");
        yield return Changed("exponent", "[2]", "[2e0]", "whole");
        yield return Changed("shape text", "[2]", "[\"2\"]", "whole");
        yield return Changed("nested shape", "[2]", "[[2]]", "whole");
        yield return Changed("shape number", "[2]", "2", "not a list");
        yield return Changed("number over 64 bits", "[2]", "[99999999999999999999]", "whole");
        yield return Changed("negative offset", "[0,8]", "[-1,8]", "whole");
        yield return Changed("backwards", "[0,8]", "[8,0]", "before it begins");
        yield return Changed("hole at the start", "[0,8]", "[1,9]", "where 0 is due");
        yield return Changed("too short", "[2]", "[3]", "takes 12");
        yield return Changed("too long", "[2]", "[1]", "takes 4");
        yield return Changed("shape overflow", "[2]", "[4294967296,4294967296,4294967296]", "too large");
        yield return Changed("size overflow", "[2]", "[4611686018427387904]", "too large");
        yield return Changed("broken bytes", "\"F32\",\"shape\":[2]", "\"F4\",\"shape\":[3]", "whole bytes");
        yield return Case("truncated data", Bytes(One, new byte[7]), "truncated");
        yield return Case("trailing data", Bytes(One, new byte[9]), "1 bytes follow");
        yield return Case("data of no tensor", Bytes("{}", new byte[1]), "1 bytes follow");
        yield return Case("hole", Bytes(Two(0, 4, 5, 9), new byte[9]), "begins at byte 5");
        yield return Case("overlap", Bytes(Two(0, 4, 3, 7), new byte[8]), "begins at byte 3");
        yield return Case("same bytes", Bytes(Two(0, 4, 0, 4), new byte[4]), "begins at byte 0");

        static TestCaseData Case(string name, byte[] bytes, string part) =>
            new TestCaseData(bytes, part).SetArgDisplayNames(name);
        static TestCaseData Changed(string name, string from, string to, string part) =>
            Case(name, Bytes(One.Replace(from, to), new byte[8]), part);
        static string Two(int begin, int end, int begin2, int end2) =>
            $"{{\"a\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[{begin},{end}]}}," +
            $"\"b\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[{begin2},{end2}]}}}}";
    }

    [TestCaseSource(nameof(Malformed))]
    public void A_malformed_file_is_refused_with_its_reason(byte[] bytes, string part) =>
        TinyModel.AssertRefused(() => Open(bytes), "model.safetensors", part);

    [Test]
    public void Every_bfloat16_and_float16_widens_exactly([Values(0, 1, 13)] int first)
    {
        byte[] data = new byte[4 * 65_536];
        for (int bits = 0; bits < 65_536; bits++)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2 * bits), (ushort)bits);
            BinaryPrimitives.WriteUInt16LittleEndian(data.AsSpan(2 * (65_536 + bits)), (ushort)bits);
        }
        // A header of odd length puts the data at an odd address.
        using SafetensorsFile file = Open(Bytes(
            "{\"b\":{\"dtype\":\"BF16\",\"shape\":[65536],\"data_offsets\":[0,131072]}," +
            "\"h\":{\"dtype\":\"F16\",\"shape\":[65536],\"data_offsets\":[131072,262144]}}  ", data));
        float[] values = new float[65_536 - first];
        file.Read(file.Tensors["b"], first, values);
        for (int bits = first; bits < 65_536; bits++)
            Assert.That(BitConverter.SingleToUInt32Bits(values[bits - first]), Is.EqualTo((uint)bits << 16));
        file.Read(file.Tensors["h"], first, values);
        for (int bits = first; bits < 65_536; bits++)
        {
            float expected = (float)BitConverter.UInt16BitsToHalf((ushort)bits);
            float actual = values[bits - first];
            if (float.IsNaN(expected) ? !float.IsNaN(actual) : !expected.Equals(actual)
                || float.IsNegative(expected) != float.IsNegative(actual))
                Assert.Fail($"half 0x{bits:x4} reads as {actual}, not {expected}");
        }
    }

    [TestCase(nameof(SafetensorsDtype.F32))]
    [TestCase(nameof(SafetensorsDtype.F16))]
    [TestCase(nameof(SafetensorsDtype.BF16))]
    public void What_the_writer_writes_reads_back(string dtypeName)
    {
        SafetensorsDtype dtype = Enum.Parse<SafetensorsDtype>(dtypeName);
        const int Count = 200_000;
        SafetensorsWriter writer = new();
        writer.Add("x", dtype, [3], (first, values) => values.Fill(first + 1));
        writer.Add("y", dtype, [2, Count / 2], (first, values) =>
        {
            for (int index = 0; index < values.Length; index++)
                values[index] = (first + index) % 256;
        });
        using MemoryStream stream = new();
        writer.Write(stream);
        using SafetensorsFile file = Open(stream.ToArray());
        Assert.That(file.Tensors["y"].Shape, Is.EqualTo(new[] { 2, Count / 2 }));
        float[] read = new float[Count - 77];
        file.Read(file.Tensors["y"], 77, read);
        for (int index = 0; index < read.Length; index++)
        {
            if (read[index] != (77 + index) % 256)
                Assert.Fail($"element {77 + index} reads as {read[index]}");
        }
    }

    [Test]
    public void Doubles_are_read()
    {
        byte[] data = new byte[8];
        BinaryPrimitives.WriteDoubleLittleEndian(data, 0.1);
        using SafetensorsFile file = Open(Bytes(One.Replace("F32", "F64").Replace("[2]", "[1]"), data));
        float[] value = new float[1];
        file.Read(file.Tensors["a"], 0, value);
        Assert.That(value[0], Is.EqualTo(0.1f));
    }

    [Test]
    public void Rounding_to_bfloat16_is_to_nearest_even()
    {
        uint[] bits = [0x3F800000, 0x3F808000, 0x3F818000, 0x3F808001];
        float[] values = [.. bits.Select(BitConverter.UInt32BitsToSingle), float.NaN, float.NegativeInfinity,
            float.MaxValue];
        byte[] bytes = new byte[2 * values.Length];
        FloatNarrowing.ToBFloat16(values, bytes);
        float[] back = new float[values.Length];
        FloatWidening.FromBFloat16(bytes, back);
        Assert.That(Array.ConvertAll(back[..4], BitConverter.SingleToUInt32Bits),
            Is.EqualTo(new[] { 0x3F800000u, 0x3F800000u, 0x3F820000u, 0x3F810000u }));
        Assert.That(back[4..], Is.EqualTo(
            new[] { float.NaN, float.NegativeInfinity, float.PositiveInfinity }));
    }

    private static SafetensorsFile Open(byte[] bytes) => new("model.safetensors", new MemoryBytes(bytes));

    private static byte[] Prefix(ulong headerBytes)
    {
        byte[] prefix = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, headerBytes);
        return prefix;
    }

    private static byte[] Bytes(string header, byte[] data)
    {
        byte[] text = Encoding.UTF8.GetBytes(header);
        return [.. Prefix((ulong)text.Length), .. text, .. data];
    }
}
