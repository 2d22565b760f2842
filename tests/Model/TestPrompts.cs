namespace PdEngine.Tests;

/// <summary>Prompts of random ids.</summary>
internal static class TestPrompts
{
    public static int[] Random(Random random, int count, int vocabularySize) =>
        [.. Enumerable.Range(0, count).Select(_ => random.Next(vocabularySize))];
}
