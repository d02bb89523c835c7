"""Says between processes that a company has news: which company, and nothing else. May be lost; readers look anyway."""
