namespace PdEngine.Tests;

/// <summary>Threads of this process that belong to crews, as the system lists them.</summary>
internal static class CrewThreads
{
    /// <summary>How many, those of crews that nobody holds any more not counted.</summary>
    public static int Count()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return States().Count;
    }

    /// <summary>Waits until there are so many: the system lists a thread a little past its end.</summary>
    public static void AwaitCount(int count) =>
        Assert.That(() => States().Count, Is.EqualTo(count).After(60_000, 5), "threads of crews");

    /// <summary>Waits until all of them are asleep; fails the test when they never are.</summary>
    public static void AwaitSleep() =>
        Assert.That(() => States().All(state => state == 'S'), Is.True.After(60_000, 10), "they spin");

    private static List<char> States()
    {
        List<char> states = [];
        foreach (string task in Directory.EnumerateDirectories("/proc/self/task"))
        {
            try
            {
                string stat = File.ReadAllText(Path.Combine(task, "stat"));
                if (stat.Contains("(pd_core_", StringComparison.Ordinal))
                    states.Add(stat[stat.LastIndexOf(')') + 2]);
            }
            catch (IOException)
            {
                // It ended meanwhile.
            }
        }
        return states;
    }
}
