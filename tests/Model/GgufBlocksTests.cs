using System.Runtime.InteropServices;
using System.Text.Json;

namespace PdEngine.Tests;

public sealed class GgufBlocksTests
{
    private static readonly string[] TypeNames = Enum.GetNames<GgufType>();

    [Test]
    [Category("Goldens")]
    public void Every_block_type_equals_the_reference_to_the_bit()
    {
        string path = TestFiles.Golden("gguf-quants", "golden.json");
        using JsonDocument golden = JsonDocument.Parse(File.ReadAllBytes(path));
        foreach (JsonProperty entry in golden.RootElement.GetProperty("types").EnumerateObject())
        {
            GgufType type = (GgufType)entry.Value.GetProperty("ggml_type").GetInt32();
            Assert.That(type.ToString(), Is.EqualTo(entry.Name));
            int elements = entry.Value.GetProperty("block_elements").GetInt32();
            int bytes = entry.Value.GetProperty("block_bytes").GetInt32();
            Assert.That(GgufTypes.BlockOf(type), Is.EqualTo((elements, bytes)), entry.Name);
            byte[] blocks = entry.Value.GetProperty("data").GetBytesFromBase64();
            float[] expected =
                [.. entry.Value.GetProperty("values").EnumerateArray().Select(value => value.GetSingle())];
            float[] actual = new float[expected.Length];
            GgufBlocks.Dequantise(type, blocks, actual);
            Assert.That(
                Array.ConvertAll(actual, BitConverter.SingleToInt32Bits),
                Is.EqualTo(Array.ConvertAll(expected, BitConverter.SingleToInt32Bits)), entry.Name);
        }
    }

    [Test]
    public void Any_range_of_a_quantised_tensor_reads_as_the_whole_does(
        [ValueSource(nameof(TypeNames))] string typeName)
    {
        GgufType type = Enum.Parse<GgufType>(typeName);
        (int blockElements, int blockBytes) = GgufTypes.BlockOf(type);
        const int Blocks = 700;
        Random random = new(5);
        byte[] bytes = new byte[Blocks * blockBytes];
        random.NextBytes(bytes);
        GgufTensor tensor = new("t", type, [Blocks * blockElements], GgufBytes.EmptyFileBytes, bytes.Length);
        using GgufFile file = new("f", new MemoryBytes((byte[])[.. GgufBytes.EmptyFile(), .. bytes]));
        float[] whole = new float[Blocks * blockElements];
        GgufBlocks.Dequantise(type, bytes, whole);
        for (int trial = 0; trial < 60; trial++)
        {
            int first = random.Next(whole.Length);
            int count = trial % 2 == 0
                ? random.Next(whole.Length - first + 1)
                : Math.Min(3, whole.Length - first);
            float[] part = new float[count];
            file.Read(tensor, first, part);
            Assert.That(
                HasSameBits(part, whole.AsSpan(first)), Is.True, $"{type}, {count} elements from {first}");
        }
    }

    [TestCase(nameof(GgufType.Q8_0), 1 / 127f)]
    [TestCase(nameof(GgufType.Q4_0), 1 / 7.9f)]
    [TestCase(nameof(GgufType.F16), 1 / 2048f)]
    [TestCase(nameof(GgufType.BF16), 1 / 256f)]
    [TestCase(nameof(GgufType.F32), 0f)]
    public void What_is_encoded_decodes_to_nearly_the_same(string typeName, float tolerance)
    {
        GgufType type = Enum.Parse<GgufType>(typeName);
        Random random = new(3);
        float[] values = new float[256];
        for (int index = 0; index < values.Length; index++)
            values[index] = random.NextSingle() * 2 - 1;
        (int elements, int bytes) = GgufTypes.BlockOf(type);
        byte[] blocks = new byte[values.Length / elements * bytes];
        GgufEncoder.Encode(type, values, blocks);
        float[] decoded = new float[values.Length];
        GgufBlocks.Dequantise(type, blocks, decoded);
        for (int index = 0; index < values.Length; index++)
            Assert.That(decoded[index], Is.EqualTo(values[index]).Within(tolerance), $"element {index}");
    }

    private static bool HasSameBits(float[] part, ReadOnlySpan<float> whole) =>
        MemoryMarshal.AsBytes(part.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(whole[..part.Length]));
}
