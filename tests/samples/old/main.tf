variable "night" {
  default = 1
}

locals {
  zone = "America/New_York"
}

data "coder_workspace_preset" "large" {
  name        = "large"
  description = "Eight cores"
  parameters  = { size = "large" }
  prebuilds {
    instances = var.night
    expiration_policy {
      ttl = 28800
    }
    scheduling {
      timezone = local.zone
      schedule {
        cron      = "* 9-17 * * 1-5"
        instances = 5
      }
    }
  }
}

data "coder_workspace_preset" "small" {
  name       = "small"
  parameters = { size = "small" }
  prebuilds {
    instances = 2
  }
}
