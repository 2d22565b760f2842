using PdEngine.Examples;

namespace PdEngine.Tests;

/// <summary>A trainer on a backend of its own.</summary>
internal sealed class TrainerRig : IDisposable
{
    private readonly IBackend _forward;
    private readonly CpuBackend _products;

    private TrainerRig(ModelConfig config, IBackend forward, CpuBackend products, AdamWOptions options)
    {
        (_forward, _products) = (forward, products);
        Trainer = new(config, forward, products, options, threadCount: 2);
    }

    public Trainer Trainer { get; }

    /// <summary>Weights, activations and cache are float32.</summary>
    public static TrainerRig Float32(ModelConfig config, AdamWOptions? options = null) =>
        new(config, new ReferenceBackend(2), CpuTestBackend.Create(CpuIsa.Auto), options ?? new());

    /// <summary>As the engine computes.</summary>
    public static TrainerRig AsEngine(
        ModelConfig config, CpuIsa isa = CpuIsa.Auto, int threads = 2, AdamWOptions? options = null)
    {
        CpuBackend backend = CpuTestBackend.Create(isa, threads);
        return new(config, backend, backend, options ?? new());
    }

    /// <summary>Seeded sequences of uneven lengths, the last two thirds of each a response.</summary>
    public static List<TrainingSequence> Sequences(int seed, int count, int vocabulary, int maxLength)
    {
        Random random = new(seed);
        List<TrainingSequence> sequences = [];
        for (int index = 0; index < count; index++)
        {
            int length = random.Next(2, maxLength + 1);
            int[] tokens = [.. Enumerable.Range(0, length).Select(_ => random.Next(vocabulary))];
            bool[] isResponse = [.. Enumerable.Range(0, length).Select(at => at > 0 && at >= length / 3)];
            sequences.Add(new() { Tokens = tokens, IsResponse = isResponse });
        }
        return sequences;
    }

    /// <summary>|a - b| / |b|, by norms.</summary>
    public static double RelativeDistance(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        (double difference, double size) = (0, 0);
        for (int index = 0; index < a.Length; index++)
        {
            difference += Math.Pow((double)a[index] - b[index], 2);
            size += (double)b[index] * b[index];
        }
        return Math.Sqrt(difference / size);
    }

    public void Dispose()
    {
        Trainer.Dispose();
        _forward.Dispose();
        _products.Dispose();
    }
}
