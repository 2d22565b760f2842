namespace PdEngine.Tests;

public sealed class GgufFileTests
{
    private const uint F32 = 0;

    [Test]
    public void Metadata_of_every_type_is_read_and_numbers_of_any_width_are_numbers()
    {
        GgufFile file = new GgufBytes().Start(0, 9)
            .Pair("u8", GgufValueType.U8, 200)
            .Pair("i8", GgufValueType.I8, 0xFE)
            .Pair("i16", GgufValueType.I16, 0xFE, 0xFF)
            .Pair("u64", GgufValueType.U64, 7, 0, 0, 0, 0, 0, 0, 0)
            .Pair("f32", GgufValueType.F32, 0, 0, 0x80, 0x3F)
            .Pair("bool", GgufValueType.Bool, 1)
            .Pair("text", GgufValueType.Text).Text("aé")
            .Pair("ints", GgufValueType.Array).U32((uint)GgufValueType.U32).U64(2).U32(5).U32(5)
            .Pair("texts", GgufValueType.Array).U32((uint)GgufValueType.Text).U64(2).Text("x").Text("")
            .Open();
        GgufMetadata keys = file.Metadata;
        Assert.That(keys.Int("u8", 0, 255), Is.EqualTo(200));
        Assert.That(keys.Int("i8", -9, 9), Is.EqualTo(-2));
        Assert.That(keys.Int("i16", -9, 9), Is.EqualTo(-2));
        Assert.That(keys.Int("u64", 0, 9), Is.EqualTo(7));
        Assert.That(keys.Int("ints", 0, 9), Is.EqualTo(5));
        Assert.That(keys.Number("f32", 0, 9), Is.EqualTo(1));
        Assert.That(keys.Flag("bool"), Is.True);
        Assert.That(keys.Text("text"), Is.EqualTo("aé"));
        Assert.That(keys.Texts("texts", 9), Is.EqualTo(new[] { "x", "" }));
        TinyModel.AssertRefused(() => keys.Int("u8", 0, 199), "'u8' is 200");
        TinyModel.AssertRefused(() => keys.Int("f32", 0, 1), "not a whole number");
        TinyModel.AssertRefused(() => keys.Text("u8"), "not a string");
        TinyModel.AssertRefused(() => keys.Texts("texts", 1), "2 elements");
        TinyModel.AssertRefused(() => keys.Int("none", 0, 1), "'none' is missing");
    }

    [Test]
    public void Tensors_are_read_with_reversed_dimensions([Values(2u, 3u)] uint version)
    {
        using GgufFile file = new GgufBytes().Start(2, 0, version)
            .Tensor("a", F32, 32, 3, 2).Tensor("b", F32, 0, 4).Data(56).Open();
        Assert.That(file.Tensors["a"].Shape, Is.EqualTo(new[] { 2, 3 }));
        Assert.That(file.Tensors["b"].SizeBytes, Is.EqualTo(16));
        Assert.That(file.Tensors["a"].OffsetBytes - file.Tensors["b"].OffsetBytes, Is.EqualTo(32));
    }

    [Test]
    public void The_stated_alignment_is_used()
    {
        using GgufFile file = new GgufBytes().Start(1, 1)
            .Pair("general.alignment", GgufValueType.U32, 64, 0, 0, 0)
            .Tensor("a", F32, 64, 1).Data(68, 64).Open();
        Assert.That(file.Tensors["a"].OffsetBytes % 64, Is.Zero);
    }

    private static IEnumerable<TestCaseData> Malformed()
    {
        yield return Case("empty", "truncated", new());
        yield return Case("magic", "not with 'GGUF'", new GgufBytes().Start(0, 0, magic: "GGML"));
        yield return Case("version 1", "version 1", new GgufBytes().Start(0, 0, version: 1));
        yield return Case("version 4", "version 4", new GgufBytes().Start(0, 0, version: 4));
        yield return Case("big-endian", "big-endian", new GgufBytes().Start(0, 0, version: 3u << 24));
        yield return Case("no counts", "truncated", new GgufBytes().Raw([.. "GGUF"u8]).U32(3));
        yield return Case("tensor count", "tensors", new GgufBytes().Start(ulong.MaxValue, 0));
        yield return Case("pair count", "metadata pairs", new GgufBytes().Start(0, 1UL << 40));
        yield return Case("key length", "metadata key",
            new GgufBytes().Start(0, 1).U64(1UL << 62).Raw(new byte[20]));
        yield return Case("key bytes", "UTF-8",
            new GgufBytes().Start(0, 1).U64(2).Raw(0xC3, 0x28).U32(4).U32(1));
        yield return Case("type", "unknown type 13", new GgufBytes().Start(0, 1).Text("k").U32(13).U64(0));
        yield return Case("bool", "must be 0 or 1",
            new GgufBytes().Start(0, 1).Pair("k", GgufValueType.Bool, 2));
        yield return Case("text length", "bytes of a string",
            new GgufBytes().Start(0, 1).Pair("k", GgufValueType.Text).U64(ulong.MaxValue));
        yield return Case("array count", "array elements", new GgufBytes().Start(0, 1)
            .Pair("k", GgufValueType.Array).U32((uint)GgufValueType.U64).U64(1UL << 61));
        yield return Case("nested array", "not read", new GgufBytes().Start(0, 1)
            .Pair("k", GgufValueType.Array).U32((uint)GgufValueType.Array).U64(0));
        yield return Case("array type", "not read", new GgufBytes().Start(0, 1)
            .Pair("k", GgufValueType.Array).U32(99).U64(0));
        yield return Case("key twice", "twice", new GgufBytes().Start(0, 2)
            .Pair("k", GgufValueType.U8, 1).Pair("k", GgufValueType.U8, 1).Data(8));
        yield return Case("alignment", "multiple of 8", new GgufBytes().Start(0, 1)
            .Pair("general.alignment", GgufValueType.U32, 12, 0, 0, 0));
        yield return Case("alignment 0", "from 8", new GgufBytes().Start(0, 1)
            .Pair("general.alignment", GgufValueType.U32, 0, 0, 0, 0));
        yield return Case("name length", "at most 64",
            new GgufBytes().Start(1, 0).Tensor(new string('n', 65), F32, 0, 1).Data(4));
        yield return Case("dimensions", "5 dimensions",
            new GgufBytes().Start(1, 0).Tensor("a", F32, 0, 1, 1, 1, 1, 1));
        yield return Case("overflow", "overflow",
            new GgufBytes().Start(1, 0).Tensor("a", F32, 0, 1UL << 40, 1UL << 40).Data(4));
        yield return Case("wrapping overflow", "overflow",
            new GgufBytes().Start(1, 0).Tensor("a", F32, 0, 1UL << 32, 1UL << 32, 1).Data(4));
        yield return Case("unsupported type", "IQ2_XXS",
            new GgufBytes().Start(1, 0).Tensor("a", 16, 0, 256).Data(66));
        yield return Case("unknown type", "number 777",
            new GgufBytes().Start(1, 0).Tensor("a", 777, 0, 1).Data(4));
        yield return Case("partial block", "multiple of the 32",
            new GgufBytes().Start(1, 0).Tensor("a", 2, 0, 16, 2).Data(18));
        yield return Case("offset", "alignment 32",
            new GgufBytes().Start(1, 0).Tensor("a", F32, 8, 1).Data(40));
        yield return Case("huge offset", "offset",
            new GgufBytes().Start(1, 0).Tensor("a", F32, ulong.MaxValue - 31, 1).Data(40));
        yield return Case("overlap", "overlaps",
            new GgufBytes().Start(2, 0).Tensor("a", F32, 0, 16).Tensor("b", F32, 32, 1).Data(64));
        yield return Case("same place", "overlaps",
            new GgufBytes().Start(2, 0).Tensor("a", F32, 0, 1).Tensor("b", F32, 0, 1).Data(64));
        yield return Case("truncated data", "truncated",
            new GgufBytes().Start(1, 0).Tensor("a", F32, 0, 16).Data(63));
        yield return Case("no data", "truncated", new GgufBytes().Start(1, 0).Tensor("a", F32, 0, 16));
        yield return Case("name twice", "listed twice",
            new GgufBytes().Start(2, 0).Tensor("a", F32, 0, 1).Tensor("a", F32, 32, 1).Data(64));

        static TestCaseData Case(string name, string part, GgufBytes bytes) =>
            new TestCaseData(bytes.ToArray(), part).SetArgDisplayNames(name);
    }

    [TestCaseSource(nameof(Malformed))]
    public void A_malformed_file_is_refused_with_its_reason(byte[] bytes, string part) =>
        TinyModel.AssertRefused(() => _ = new GgufFile("m.gguf", new MemoryBytes(bytes)), "m.gguf", part);

    [Test]
    public void A_file_cut_anywhere_in_its_header_is_refused()
    {
        byte[] bytes = new GgufBytes().Start(1, 2).Pair("k", GgufValueType.U8, 1)
            .Pair("t", GgufValueType.Text).Text("text").Tensor("a", F32, 0, 3).Data(12).ToArray();
        using GgufFile whole = new("m", new MemoryBytes(bytes));
        for (int length = 0; length < bytes.Length; length++)
        {
            MemoryBytes cut = new(bytes.AsMemory(0, length));
            TinyModel.AssertRefused(() => _ = new GgufFile("m", cut), "m: ");
        }
    }
}
