using System.Text;

namespace PdEngine.Tests;

/// <summary>
/// Spoils small valid files at random and opens them as a user's would be opened, from memory. Every outcome
/// but an opened model or a <see cref="CheckpointException"/> is a failure, as is memory beyond a small
/// multiple of the file.
/// </summary>
internal sealed class CheckpointFuzz
{
    private const int MaxAllocatedBytes = 4 << 20;

    private static readonly long[] Edges = [0, 1, -1, 7, 8, 31, 32, 255, 256, 65_535, int.MaxValue,
        int.MinValue, uint.MaxValue, long.MaxValue, long.MinValue, 1L << 40, 1L << 62];

    private static readonly string[] Fragments = ["{", "}", "[", "]", "\"", ",", ":", "null", "-1", "1e999",
        "0", "99999999999999999999", "\\ud800", "4294967296", "[[[[[[[[", "true", "1.5", "\"\"", "{}",
        "1000000000"];

    private readonly Random _random;
    private readonly (string Name, byte[] Bytes, int HeaderBytes, Action<byte[]> Open)[] _targets;

    private CheckpointFuzz(int seed)
    {
        _random = new Random(seed);
        _targets = Targets(seed);
    }

    /// <summary>Opens <paramref name="count"/> spoilt files; returns how many were refused.</summary>
    public static int Run(int count, int seed) => new CheckpointFuzz(seed).Run(count, $"seed {seed}");

    private int Run(int count, string seed)
    {
        foreach ((string name, byte[] bytes, _, Action<byte[]> open) in _targets)
        {
            Assert.That(bytes, Has.Length.LessThanOrEqualTo(32 << 10), name);
            open(bytes);
        }
        int refused = 0;
        for (int index = 0; index < count; index++)
        {
            (string name, byte[] bytes, int headerBytes, Action<byte[]> open) =
                _targets[index % _targets.Length];
            byte[] spoilt = Spoil(bytes, headerBytes);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                open(spoilt);
            }
            catch (CheckpointException refusal)
            {
                Assert.That(refusal.Message, Has.Length.LessThan(1000), $"{name}, {seed}, mutation {index}");
                refused++;
            }
            catch (Exception fault)
            {
                Assert.Fail($"{name}, {seed}, mutation {index}: {fault}\n{Convert.ToBase64String(spoilt)}");
            }
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            if (allocated > MaxAllocatedBytes)
                Assert.Fail($"{name}, {seed}, mutation {index}: {allocated} bytes allocated for a file of " +
                            $"{spoilt.Length}\n{Convert.ToBase64String(spoilt)}");
        }
        return refused;
    }

    private byte[] Spoil(byte[] source, int headerBytes)
    {
        List<byte> bytes = [.. source];
        for (int edits = _random.Next(1, 4); edits > 0; edits--)
        {
            int reach = Math.Max(1, Math.Min(bytes.Count, headerBytes));
            int at = _random.Next(reach);
            switch (_random.Next(7))
            {
                case 0 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << _random.Next(8));
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] = (byte)_random.Next(256);
                    break;
                case 2:
                    Overwrite(bytes, at, BitConverter.GetBytes(Edges[_random.Next(Edges.Length)])
                        .AsSpan(0, _random.Next(2) == 0 ? 4 : 8));
                    break;
                case 3:
                    bytes.RemoveRange(at, Math.Min(_random.Next(1, 64), bytes.Count - at));
                    break;
                case 4:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(Fragments[_random.Next(Fragments.Length)]));
                    break;
                case 5:
                    ReplaceNumber(bytes, at);
                    break;
                default:
                    int from = _random.Next(reach);
                    bytes.InsertRange(
                        at, bytes.GetRange(from, Math.Min(_random.Next(1, 200), bytes.Count - from)));
                    break;
            }
        }
        if (_random.Next(20) == 0)
        {
            int kept = _random.Next(bytes.Count + 1);
            bytes.RemoveRange(kept, bytes.Count - kept);
        }
        return [.. bytes];
    }

    /// <summary>Puts an edge value where the next run of digits is.</summary>
    private void ReplaceNumber(List<byte> bytes, int at)
    {
        while (at < bytes.Count && !char.IsAsciiDigit((char)bytes[at]))
            at++;
        int end = at;
        while (end < bytes.Count && char.IsAsciiDigit((char)bytes[end]))
            end++;
        bytes.RemoveRange(at, end - at);
        bytes.InsertRange(at, Encoding.ASCII.GetBytes($"{Edges[_random.Next(Edges.Length)]}"));
    }

    private static void Overwrite(List<byte> bytes, int at, ReadOnlySpan<byte> value)
    {
        for (int index = 0; index < value.Length && at + index < bytes.Count; index++)
            bytes[at + index] = value[index];
    }

    private static (string Name, byte[] Bytes, int HeaderBytes, Action<byte[]> Open)[] Targets(int seed)
    {
        string folder = TestFiles.Scratch($"fuzz-{seed}");
        string configText = TinyModel.Config(
            "qwen3", ("rope_scaling", "{\"rope_type\":\"yarn\",\"factor\":4,\"beta_fast\":32}"));
        byte[] config = Encoding.UTF8.GetBytes(configText);
        RandomCheckpoint.Write(folder, configText, 1);
        string path = Path.Combine(folder, "model.safetensors");
        byte[] weights = File.ReadAllBytes(path);
        int headerBytes = 8 + (int)BitConverter.ToUInt64(weights);
        byte[] gguf = Gguf(folder);
        byte[] index = Encoding.UTF8.GetBytes("{\"weight_map\":{\"a\":\"x.safetensors\",\"b\":\"y/z\"}}");
        return
        [
            ("safetensors", weights, headerBytes, bytes => OpenFolder(config, bytes)),
            ("gguf", gguf, HeaderBytes(gguf), OpenGguf),
            ("config.json", config, config.Length, bytes => OpenFolder(bytes, weights)),
            ("index", index, index.Length, bytes => HfFolder.ParseIndex("index", bytes)),
        ];
    }

    private static byte[] Gguf(string folder)
    {
        string llama = Path.Combine(folder, "llama");
        RandomCheckpoint.Write(llama, TinyModel.Config("llama", ("hidden_size", "32")), 1);
        string path = Path.Combine(folder, "m.gguf");
        string[] tokens = [.. Enumerable.Range(0, 20).Select(id => $"t{id}")];
        using (ICheckpoint source = Checkpoint.Open(llama))
            GgufExport.Write(source, path, GgufType.BF16, new GgufVocabulary(
                path, "gpt2", "smollm", tokens, new int[20], new float[20], ["a b", "b c"], 1, 2, false,
                "{{ x }}"));
        return File.ReadAllBytes(path);
    }

    private static int HeaderBytes(byte[] gguf)
    {
        using GgufFile file = new("m.gguf", new MemoryBytes(gguf));
        return (int)file.Tensors.Values.Min(tensor => tensor.OffsetBytes);
    }

    private static void OpenFolder(byte[] config, byte[] weights)
    {
        ModelConfig parsed = HfConfig.Parse("config.json", config, "generation_config.json", config);
        using HfCheckpoint checkpoint = new(
            "folder", parsed, [new SafetensorsFile("model.safetensors", new MemoryBytes(weights))]);
        ReadSome(checkpoint);
    }

    private static void OpenGguf(byte[] bytes)
    {
        using GgufCheckpoint checkpoint = new(new GgufFile("m.gguf", new MemoryBytes(bytes)));
        _ = checkpoint.Vocabulary;
        ReadSome(checkpoint);
    }

    private static void ReadSome(ICheckpoint checkpoint)
    {
        foreach (TensorShape tensor in ModelTensors.Of(checkpoint.Config))
        {
            float[] values = new float[Math.Min(40, TensorShape.Count(tensor.Shape))];
            checkpoint.Read(tensor.Name, TensorShape.Count(tensor.Shape) - values.Length, values);
        }
    }
}
