namespace PdEngine;

/// <summary>The policies' names on a command line.</summary>
internal static class RouterPolicies
{
    private static readonly string[] Names =
    [
        "cache_aware", "round_robin", "random", "power_of_two", "consistent_hashing", "prefix_hash",
            "bucket", "manual",
    ];

    public static string Name(RouterPolicy policy) => Names[(int)policy];

    public static RouterPolicy Parse(string flag, string name)
    {
        int index = Array.IndexOf(Names, name);
        if (index >= 0)
            return (RouterPolicy)index;
        string hint = NearestName.Of(name, Names, within: 3) is { } near ? $"; did you mean '{near}'?" : "";
        throw new OptionsException(flag, $"'{name}' is none of {string.Join(", ", Names)}{hint}");
    }
}
