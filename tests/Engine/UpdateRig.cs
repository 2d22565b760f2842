using System.Security.Cryptography;

namespace PdEngine.Tests;

/// <summary>Checkpoints of one tiny model with different weights, and updates made of them.</summary>
internal static class UpdateRig
{
    public const string First = "default";

    private static readonly Lock Gate = new();

    /// <summary>A folder of the tiny model with weights of a seed; 3 are those of EngineRig.</summary>
    public static string Folder(int seed)
    {
        lock (Gate)
        {
            string folder = Path.Combine(
                Path.GetTempPath(), "pdengine-tests", $"{Environment.ProcessId}", $"update-{seed}");
            if (!Directory.Exists(folder))
                RandomCheckpoint.Write(folder, RandomCheckpoint.ConfigOf("tiny"), (ulong)seed);
            return folder;
        }
    }

    /// <summary>1 prefill and 2 decode workers.</summary>
    public static EngineOptions Options(string backend, KvDomainKind domain = KvDomainKind.Host) =>
        PdRig.Options("1P+2D", DisaggregateMode.Always, domain, backend, folder: Folder(3));

    /// <summary>One worker that caches nothing, with the weights of a seed.</summary>
    public static Task<Engine> FreshAsync(string backend, int seed) => Engine.StartAsync(
        PdRig.On(EngineRig.Options(Folder(seed)), backend) with { DisableRadixCache = true });

    /// <summary>All tensors of a seed, as float32.</summary>
    public static Dictionary<string, (long[] Shape, float[] Values)> Tensors(int seed)
    {
        using ICheckpoint checkpoint = Checkpoint.Open(Folder(seed));
        Dictionary<string, (long[], float[])> tensors = [];
        foreach (TensorShape tensor in ModelTensors.Of(checkpoint.Config))
        {
            float[] values = new float[TensorShape.Count(tensor.Shape)];
            checkpoint.Read(tensor.Name, 0, values);
            tensors.Add(tensor.Name, (tensor.Shape, values));
        }
        return tensors;
    }

    /// <summary>An update that gives every tensor of a seed in two parts.</summary>
    public static WeightUpdate Buckets(int seed, string? version = null)
    {
        WeightUpdate update = new() { Version = version };
        foreach ((string name, (long[] shape, float[] values)) in Tensors(seed))
        {
            int half = values.Length / 2;
            update.Add(name, shape, values.AsSpan(half), half);
            update.Add(name, shape, values.AsSpan(0, half));
        }
        return update;
    }

    /// <summary>The upper half of each single; the values have no lower.</summary>
    public static ushort[] ToBFloat16(float[] values) =>
        [.. values.Select(value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16))];

    public static byte[] Sha256(float[] values)
    {
        byte[] bytes = new byte[values.Length * 2];
        FloatNarrowing.ToBFloat16(values, bytes);
        return SHA256.HashData(bytes);
    }

    /// <summary>An update that turns one seed's weights into another's by the elements that differ.</summary>
    public static WeightUpdate Delta(int from, int to, string baseVersion, string version)
    {
        WeightUpdate update = new() { BaseVersion = baseVersion, Version = version, IsPartial = true };
        Dictionary<string, (long[] Shape, float[] Values)> old = Tensors(from);
        foreach ((string name, (_, float[] values)) in Tensors(to))
        {
            float[] before = old[name].Values;
            long[] changed = [.. Enumerable.Range(0, values.Length)
                .Where(i => values[i] != before[i]).Select(i => (long)i)];
            update.AddDelta(name, changed, [.. changed.Select(i => values[i])], Sha256(values));
        }
        return update;
    }

    public static GenerateRequest Request(int seed, int newTokens = 24)
    {
        Random random = new(seed);
        return new GenerateRequest
        {
            InputIds = EngineRig.Ids(random, random.Next(4, 60)), ReturnLogProb = true,
            Sampling = new() { MaxNewTokens = newTokens, SamplingSeed = (ulong)seed, IgnoreEos = true },
        };
    }

    /// <summary>What an engine makes of a fixed prompt tells its weights.</summary>
    public static async Task<IReadOnlyList<TokenLogProb>> PrintAsync(Engine engine) =>
        (await engine.GenerateAsync(Request(99))).OutputLogProbs;
}
