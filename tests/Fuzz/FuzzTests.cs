using System.Diagnostics;

namespace PdEngine.Tests;

/// <summary>Every kind of file and line that comes from outside, spoilt at random.</summary>
public sealed class FuzzTests
{
    /// <summary>How many of each kind; together 50,000. Templates cost the most.</summary>
    private static readonly (string Name, int Count, Func<int, int, int> Run)[] Kinds =
    [
        ("checkpoint headers, configs and indices", 28_000, CheckpointFuzz.Run),
        ("tokenizers", 6000, TokenizerFuzz.Run),
        ("chat templates and messages", 4000, ChatTemplateFuzz.Run),
        ("batch lines", 6000, GenerateBodyFuzz.Run),
        ("topology files and flags", 6000, TopologyFuzz.Run),
    ];

    [Test]
    public async Task Fifty_thousand_mutated_files_are_refused_or_read()
    {
        const int seed = 1;
        Assert.That(Kinds.Sum(kind => kind.Count), Is.EqualTo(50_000));
        // One thread a kind: each counts the bytes that its own thread allocates.
        await Task.WhenAll(Kinds.Select(kind => Task.Factory.StartNew(
            () => RunKind(kind.Name, kind.Count, kind.Run, seed), TaskCreationOptions.LongRunning)));
    }

    private static void RunKind(string name, int count, Func<int, int, int> run, int seed)
    {
        Stopwatch watch = Stopwatch.StartNew();
        int refused = run(count, seed);
        TestContext.Progress.WriteLine(
            $"seed {seed}: {count} {name}: {refused} refused, {count - refused} read, "
            + $"{watch.ElapsedMilliseconds} ms");
        // Some must survive and some must not, or the mutations test nothing.
        Assert.That(refused, Is.InRange(count / 20, count * 49 / 50), $"{name}, seed {seed}");
    }
}
