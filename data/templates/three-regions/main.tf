# Warm workspaces in three regions, each through its own working day.
data "coder_workspace_preset" "us" {
  name       = "backend-us"
  parameters = { region = "us" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 28800
    }
    scheduling {
      timezone = "America/New_York"
      schedule {
        cron      = "* 7-16 * * 1-5"
        instances = 8
      }
    }
  }
}

data "coder_workspace_preset" "eu" {
  name       = "backend-eu"
  parameters = { region = "eu" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 28800
    }
    scheduling {
      timezone = "Europe/Berlin"
      schedule {
        cron      = "* 7-16 * * 1-5"
        instances = 5
      }
    }
  }
}

data "coder_workspace_preset" "ap" {
  name       = "backend-ap"
  parameters = { region = "ap" }
  prebuilds {
    instances = 1
    expiration_policy {
      ttl = 28800
    }
    scheduling {
      timezone = "Asia/Kolkata"
      schedule {
        cron      = "* 7-16 * * 1-5"
        instances = 3
      }
    }
  }
}
